"""The gate as a task: reads what KFP passes as text, writes what it takes on, tells MLflow."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.fraction import folder
from components.gate.decide import Decision, Request, configure, decide
from components.given import take
from components.history import history
from components.progress import LABEL
from components.task import SPOOL, STORE, telling
from components.viewer import readme
from components.warm import named


@telling()
def open_run(
    *,
    run: str,
    data: str,
    revision: str,
    digest: str,
    texts: Mapping[str, str],
    changes: str,
    switches: str,
    skip_unchanged: bool,
    config: str,
    schema: str,
    package: str,
    outputs: Mapping[str, str],
    page: str,
) -> bool:
    """Open a run; see the component for the arguments.

    Args:
        run: Id of the run.
        data: Address of the photos.
        revision: Git revision.
        digest: Content digest wanted.
        texts: Settings that are text.
        changes: Settings that are not, `step.field=value` separated by `;`.
        switches: Fractions and whether they are on.
        skip_unchanged: Whether to end where nothing changed.
        config: The baked configuration.
        schema: Its class.
        package: Digest of code and images.
        outputs: Files for `photos`, `fractions` and `whole`, and for the content digest of the file
            that a step's settings name, by step.
        page: File for the decision.

    Returns:
        Whether the run goes ahead.
    """
    take()
    os.environ[LABEL] = "gate"
    whole, fractions, files = configure(
        config,
        named(schema),
        {**texts, **_pairs(changes)},
        {float(fraction): bool(on) for fraction, on in _pairs(switches).items()},
    )
    request = Request(run, data, revision, digest, skip_unchanged, package)
    decision = decide(request, whole, fractions, history(os.environ.get(STORE, "")))
    Path(outputs["photos"]).write_text(decision.note.digest)
    Path(outputs["fractions"]).write_text(",".join(folder(one) for one in fractions))
    Path(outputs["whole"]).write_text(whole)
    for step, digest in files.items():
        Path(outputs[step]).write_text(digest)
    Path(page).write_text(decision.page(readme(__name__)), encoding="utf-8")
    if not os.environ.get(SPOOL):
        _log(decision)
    return decision.proceed


def _log(decision: Decision) -> None:
    from components.gate.origin import origin
    from components.tracking import begin

    note = decision.note
    begin(
        note.run,
        tags={
            "defectory.data": note.data,
            "defectory.data_revision": note.revision,
            "defectory.data_digest": note.digest,
            "defectory.package": note.package,
            "defectory.unchanged_since": note.unchanged,
            **origin(note.run),
        },
        params=json.loads(decision.config),
    )


def _pairs(text: str) -> dict[str, Any]:
    """`a=1;b=true` as a mapping; KFP writes values as JSON, whole numbers sometimes as `3.0`."""
    pairs = (pair.partition("=") for pair in text.split(";") if pair)
    return {name: json.loads(value.lower()) for name, _, value in pairs}
