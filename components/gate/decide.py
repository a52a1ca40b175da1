"""Decides what a run works on, and whether it needs to work at all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from components.data_versioning.settings import DataSettings
from components.fraction import percent
from components.gate.contents import contents
from components.history import History, Note
from components.progress import say
from components.retry import entered, patiently
from components.settings import sentences
from components.viewer import short, table


@dataclass(frozen=True)
class Request:
    """What a person, or a schedule, asks for.

    Attributes:
        run: Id of the run in KFP.
        data: Address of the photos.
        revision: Git revision of the `.dvc` file.
        digest: Content digest that the photos must have; empty for whatever is found.
        skip_unchanged: Whether a run that would repeat the last one ends here.
        package: Digest of the pipeline's code and images.
    """

    run: str
    data: str
    revision: str
    digest: str
    skip_unchanged: bool
    package: str


@dataclass(frozen=True)
class Decision:
    """What the gate found out.

    Attributes:
        note: The run's note.
        config: The whole configuration of this run, as JSON.
        fractions: The fractions to work with, ascending.
    """

    note: Note
    config: str
    fractions: tuple[float, ...]

    @property
    def proceed(self) -> bool:
        """Whether there is anything to do."""
        return not self.note.unchanged

    def page(self, about: str) -> str:
        """The decision in Markdown, for the KFP UI.

        Args:
            about: The step's README, which comes last.
        """
        if self.note.unchanged:
            head = f"Nothing to do: run {self.note.unchanged} had the same data, code and settings."
        else:
            head = "This run goes ahead."
        named = ", ".join(percent(one) for one in self.fractions)
        values = {
            "photos": short(self.note.digest),
            "code and images": short(self.note.package),
            "settings": short(self.note.config),
            "fractions": named,
        }
        return table("Gate", values, [head], about)


def configure(
    baked: str, schema: type, changes: Mapping[str, Any], switches: Mapping[float, bool]
) -> tuple[str, tuple[float, ...], dict[str, str]]:
    """The configuration of this run, its fractions and its files, checked before any work.

    Args:
        baked: The configuration that the pipeline was compiled for, as JSON.
        schema: Its class.
        changes: Values of settings `step.field` that the pipeline's parameters replace.
        switches: Whether each fraction is on.

    Returns:
        The configuration as JSON, the fractions that are on, ascending, and the content digest of
        the file that a step's settings name, by step (`contents`).

    Raises:
        ValueError: If a value is out of range, no fraction is on, or a file is not there.
    """
    fields = json.loads(baked)
    for name, value in changes.items():
        step, _, field = name.partition(".")
        fields[step][field] = value
    chosen = tuple(sorted(fraction for fraction, on in switches.items() if on))
    if not chosen:
        named = ", ".join(percent(one) for one in sorted(switches))
        raise ValueError(f"all fractions are switched off: switch on at least one of {named}")
    fields["run"]["fractions"] = chosen
    try:
        schema.model_validate(fields)  # type: ignore[attr-defined]
    except ValidationError as error:
        raise ValueError("; ".join(sentences(error))) from None
    files = patiently(lambda: contents(fields))
    for step, digest in files.items():
        fields[step]["digest"] = digest
    whole = schema.model_validate(fields).model_dump_json()  # type: ignore[attr-defined]
    return whole, chosen, files


def decide(
    request: Request, config: str, fractions: Sequence[float], past: History | None
) -> Decision:
    """Compare a run with the last one that succeeded.

    Args:
        request: What is asked for.
        config: The run's configuration as JSON.
        fractions: Its fractions.
        past: What the store knows of earlier runs; None without a store.
    """
    note = Note(
        run=request.run,
        data=request.data,
        revision=request.revision,
        digest=request.digest or _digest(request, config),
        config=_sha(config),
        package=request.package,
    )
    if request.skip_unchanged and past is None:
        say("goes ahead: without a store nothing is known of earlier runs")
    last = None
    if request.skip_unchanged and past is not None:
        last = patiently(lambda: past.last(note))
    if last is not None and last.content == note.content:
        note = Note(**{**note.__dict__, "unchanged": last.run})
        say(f"nothing to do: data, code and settings are those of run {last.run}, done {last.when}")
    elif request.skip_unchanged:
        say(f"goes ahead: {_difference(note, last)}")
    if past is not None:
        patiently(lambda: past.write(note))
    return Decision(note, config, tuple(fractions))


def _difference(note: Note, last: Note | None) -> str:
    if last is None:
        return "no earlier run of these photos and settings succeeded"
    changed = [
        name
        for name, now, then in (
            ("the photos", note.digest, last.digest),
            ("the code or the images", note.package, last.package),
        )
        if now != then
    ]
    return f"{' and '.join(changed)} changed since run {last.run}"


def _digest(request: Request, config: str) -> str:
    """The content digest of the photos at the address."""
    from components.data_versioning.inspect import inspect
    from components.data_versioning.source import fetched

    fields = json.loads(config)
    settings = DataSettings.model_validate(fields["data_versioning"])
    run = fields["run"]
    with entered(lambda: fetched(request.data, request.revision)) as source:
        return inspect(source, settings, run["fractions"], run["seed"]).digest


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
