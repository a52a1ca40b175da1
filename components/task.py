"""The edge between a step, which computes, and the system that runs it.

A component calls `run` with its step function. `run` looks the step up in the store, runs it at
most once for the same content, continues what an interrupted try left, tries again what failed for
a passing reason (components/retry.py), records time, memory and lineage, and passes the result on:
files to KFP's artifact, finite numbers to KFP's metrics, pictures to KFP's UI, all of it to MLflow.

Environment variables, set by whoever runs the pipeline and never part of a result:

    DEFECTORY_STORE    the store's folder; without it nothing outlives the task
    DEFECTORY_SPOOL    a folder for notices of finished tasks, read by a process that logs them to
                       MLflow; without it the task logs itself
    DEFECTORY_LANES    a folder of files, one of which is locked while a step computes, so that
                       the tasks of one machine do not compete for its cores or its accelerator
                       (components/lanes.py)
    DEFECTORY_CORES    how many cores a step may use that no other computes beside; those of the
                       others are said by OMP_NUM_THREADS, as everywhere, or are what its
                       container may use
    DEFECTORY_RUN      the id of the pipeline's run in KFP, by which MLflow's runs find each other
    DEFECTORY_WARM     the socket of a process that has imported the heavy packages and computes
                       in a fork (components/warm.py); without it a step computes in its task
"""

import contextlib
import fcntl
import functools
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.accelerator import CHOICE, gpus
from components.cores import cores
from components.given import take
from components.history import history
from components.lanes import Turn, lane
from components.progress import LABEL, say
from components.record import Record, Sources, read_record
from components.retry import patiently
from components.settings import Settings
from components.store import (
    Slot,
    Store,
    digest_code,
    digest_packages,
    digest_step,
    digest_tree,
    key,
    place,
)
from components.viewer import page as page_of
from components.viewer import readme
from components.warm import Call, Done, perform, perform_warm

STORE = "DEFECTORY_STORE"
SPOOL = "DEFECTORY_SPOOL"
LANES = "DEFECTORY_LANES"
CORES = "DEFECTORY_CORES"
RUN = "DEFECTORY_RUN"
WARM = "DEFECTORY_WARM"

LAST_WORDS = Path("/dev/termination-log")
"""File by which a container tells Kubernetes why it ends; Argo, and so KFP's API, repeat it."""

_REASON = 300
"""Characters of an error that are kept."""


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Keep why this task of a run failed, where the run's end and KFP's API find it.

    By itself KFP tells no more than that a task failed, and with which exit code.
    """
    try:
        yield
    except Exception as error:
        _tell(" ".join(str(error).split())[:_REASON] or type(error).__name__)
        raise
    _tell("")


def _tell(reason: str) -> None:
    past, identity = history(os.environ.get(STORE, "")), os.environ.get(RUN)
    if not identity:
        return
    if past is not None:
        with contextlib.suppress(OSError):
            past.tell(identity, os.environ.get(LABEL, ""), reason)
    if reason and LAST_WORDS.is_file():
        with contextlib.suppress(OSError):
            LAST_WORDS.write_text(reason, encoding="utf-8")


@telling()
def run(
    step: str,
    *,
    name: str,
    settings: Settings,
    inputs: Mapping[str, Any],
    output: Any,
    label: str = "",
    metrics: Any | None = None,
    page: Any | None = None,
    scalars: Mapping[str, Any] | None = None,
    places: Mapping[str, Path] | None = None,
    patient: bool = False,
    alone: bool = False,
    code: str = "",
) -> None:
    """Run a step for a component, or reuse what it made before from the same content.

    The step is called as `step(out=..., settings=..., **inputs, **scalars)`, inputs as `Path` or
    `list[Path]`. It finds in `out` what an interrupted try left there.

    Args:
        step: The step's function, as `module:name`, so that nothing of it is imported where it
            need not run.
        name: The step's name, that of its folder.
        settings: Its settings.
        inputs: KFP artifacts, or lists of them, by parameter name.
        output: KFP artifact that receives the result.
        label: Name of this task for people; the step's name by default.
        metrics: KFP metrics artifact that receives the numbers.
        page: KFP HTML artifact that receives the step's page, or its pictures, and its README.
        scalars: The step's other parameters.
        places: Folders whose content one of the scalars already identifies.
        patient: Whether other tasks that wait to compute go first (`components.lanes`).
        alone: Whether no task of the run computes beside it, so that it may use all cores.
        code: Digest that the step's code must have, from the pipeline's package; any when empty.

    Raises:
        ValueError: If the code here is not the code that the pipeline was compiled with.
    """
    take()
    label = label or name
    os.environ[LABEL] = label
    work = _Work(
        step, name, label, settings, dict(scalars or {}), places or {}, Sources.read(inputs)
    )
    here = digest_code(work.module)
    if code and code != here:
        raise ValueError(
            f"the code of {name} here is {here[:12]}, the pipeline was compiled with {code[:12]}: "
            "build the images from the commit that you compile, then compile and deploy again"
        )

    with contextlib.ExitStack() as stack:
        folder = os.environ.get(STORE) or stack.enter_context(tempfile.TemporaryDirectory())
        slot = Store(Path(folder)).slot(name, work.identity)
        stack.enter_context(_locked(slot.path.with_suffix(".lock"), "the same step of another run"))
        reused = slot.finished
        if reused:
            said = "is done already"
        else:
            number = 0
            if lanes := os.environ.get(LANES):
                turn = Turn(patient, float(work.scalars.get("fraction", 0)))
                number = stack.enter_context(lane(Path(lanes), turn))
            continued = any(slot.work.iterdir())
            say("continues where it was interrupted" if continued else "starts")
            done, seconds = _computed(work.call(slot.work, _environment(alone, number)))
            said = f"done in {seconds:.1f} s"
            patiently(lambda: slot.finish(asdict(work.record(slot.work, done, seconds, continued))))
        _hand_over(slot, output, metrics, label, reused)
        if page is not None:
            _show(slot.result, label, work.module, page)
    say(said)


@dataclass(frozen=True)
class _Work:
    """A step, its name for people, and what it is called with."""

    step: str
    name: str
    label: str
    settings: Settings
    scalars: Mapping[str, Any]
    places: Mapping[str, Path]
    sources: Sources

    @property
    def module(self) -> str:
        return self.step.partition(":")[0]

    @functools.cached_property
    def identity(self) -> str:
        """Digest of what the result depends on."""
        code = digest_step(self.module)
        return key(code, self.settings.content(), self.scalars, self.sources.digests)

    def call(self, out: Path, environment: Mapping[str, str]) -> Call:
        """The call that computes it into a folder."""
        folders = {"out": out, **self.places, **self.sources.folders}
        return Call(
            step=self.step,
            settings=f"{type(self.settings).__module__}:{type(self.settings).__qualname__}",
            values=self.settings.model_dump_json(),
            folders={
                name: [str(one) for one in value] if isinstance(value, list) else str(value)
                for name, value in folders.items()
            },
            scalars=self.scalars,
            environment=environment,
        )

    def record(self, out: Path, done: Done, seconds: float, continued: bool) -> Record:
        """What is known of it when it has been computed into a folder."""
        outcome = done.outcome
        return Record(
            step=self.name,
            label=self.label,
            key=self.identity,
            digest=digest_tree(out),
            settings=self.settings.model_dump(mode="json"),
            scalars=self.scalars,
            inputs=self.sources.digests,
            metrics={one: float(value) for one, value in outcome.metrics.items()},
            curves={one: [(int(x), float(y)) for x, y in points]
                    for one, points in outcome.curves.items()},
            warnings=list(outcome.warnings),
            seconds=seconds,
            continued=continued,
            memory=done.memory,
            device_memory=done.device_memory,
            packages=digest_packages(),
            lineage=self.sources.lineage,
        )  # fmt: skip


def _environment(alone: bool, number: int) -> dict[str, str]:
    """What a step finds in its environment: how many threads it may use, and which GPU.

    Args:
        alone: Whether no task computes beside it.
        number: Of the lane that it computes in.
    """
    threads, found = os.environ.get(CORES) if alone else None, gpus()
    # By itself torch takes as many as the node has cores, whatever the pod's limit.
    return (
        {"OMP_NUM_THREADS": str(cores()), **os.environ}
        | ({"OMP_NUM_THREADS": threads} if threads else {})
        | ({CHOICE: found[number % len(found)]} if found else {})
    )


def _computed(call: Call) -> tuple[Done, float]:
    """Compute, again where it failed for a passing reason; and how many seconds it took."""
    warm = os.environ.get(WARM)

    def once() -> tuple[Done, float]:
        started = time.monotonic()
        done = perform_warm(call, Path(warm)) if warm else perform(call)
        return done, time.monotonic() - started

    try:
        return patiently(once)
    except Exception as error:
        say(f"failed: {error}")
        raise


def _show(result: Path, label: str, module: str, page: Any) -> None:
    record = read_record(result)
    text = page_of(result, label, record.metrics, record.warnings, readme(module))
    Path(page.path).write_text(text, encoding="utf-8")


def _hand_over(slot: Slot, output: Any, metrics: Any | None, label: str, reused: bool) -> None:
    from components.tracking import JOINED, PLUGIN, log

    patiently(lambda: place(slot.result, Path(output.path)))
    record = read_record(slot.result)
    output.metadata.update(label=label, key=record.key, digest=record.digest)
    if metrics is not None:
        for one, value in record.metrics.items():
            if math.isfinite(value):
                metrics.log_metric(one, value)
        if not {JOINED, PLUGIN} & set(os.environ):
            # Compare runs in KFP's UI has a column for each of these and tells those of a loop
            # apart by nothing else. KFP's MLflow plugin would log it as a number.
            metrics.metadata["label"] = label
    if spool := os.environ.get(SPOOL):
        notice = Path(spool) / f"{time.time_ns()}-{os.getpid()}.json"
        aside = notice.with_suffix(".part")
        aside.write_text(
            json.dumps(
                {"result": str(slot.result), "label": label, "reused": reused, "task": output.uri}
            )
        )
        aside.rename(notice)
    else:
        log(slot.result, label=label, reused=reused, task=output.uri, counted=metrics is not None)


@contextlib.contextmanager
def _locked(path: Path, holder: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waits for {holder}")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
