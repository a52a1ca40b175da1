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
                       others are said by OMP_NUM_THREADS, as everywhere
    DEFECTORY_RUN      the id of the pipeline's run in KFP, by which MLflow's runs find each other
    DEFECTORY_WARM     the socket of a process that has imported the heavy packages and computes
                       in a fork (components/warm.py); without it a step computes in its task
"""

import contextlib
import fcntl
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.given import take
from components.history import history
from components.lanes import Turn, lane
from components.progress import LABEL, say
from components.retry import patiently
from components.settings import Settings
from components.store import (
    RECORD,
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
from components.viewer import table as table_of
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


@dataclass(frozen=True)
class Record:
    """What a run knows of one finished step.

    Attributes:
        step: Name of the step, that of its folder.
        label: Name of this task of the run, for people: `dreambooth 10 %`.
        key: Digest of all that the result depends on.
        digest: Digest of the result's content.
        settings: The step's settings.
        scalars: The step's other parameters.
        inputs: Content digest of every input, or of every element of a list input.
        metrics: The step's numbers.
        curves: The step's curves.
        warnings: What a reader must know before the numbers.
        seconds: Wall time of the try that finished, waiting for its turn not included.
        continued: Whether that try continued an interrupted one.
        memory: Peak resident memory of the process, bytes.
        device_memory: Peak memory on the accelerator, bytes; 0 without one.
        packages: Versions of the packages that compute.
        lineage: Records of all steps this one depends on, without their own lineage.
    """

    step: str
    label: str
    key: str
    digest: str
    settings: Mapping[str, Any]
    scalars: Mapping[str, Any]
    inputs: Mapping[str, Any]
    metrics: Mapping[str, float]
    curves: Mapping[str, list[tuple[int, float]]]
    warnings: list[str]
    seconds: float
    continued: bool
    memory: int
    device_memory: int
    packages: str
    lineage: list["Record"] = field(default_factory=list)


def read_record(folder: Path) -> Record:
    """The record of the step that made an artifact."""
    fields = json.loads((folder / RECORD).read_text())
    lineage = [Record(**one) for one in fields.pop("lineage")]
    return Record(**fields, lineage=lineage)


def fraction_of(artifact: Any) -> float:
    """The fraction of the real data that a KFP artifact was made from.

    A step in a loop inside the loop over the fractions asks an artifact: KFP's local runner gives
    the inner loop's item where the outer one's is meant.
    """
    return float(read_record(Path(artifact.path)).scalars["fraction"])


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
    table: Any | None = None,
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
        table: KFP Markdown artifact that receives the numbers as a table, and the step's README.
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
    scalars = dict(scalars or {})
    paths = {
        parameter: [Path(one.path) for one in value] if isinstance(value, list)
        else Path(value.path)
        for parameter, value in inputs.items()
    }  # fmt: skip
    sources = {
        parameter: [read_record(one) for one in value] if isinstance(value, list)
        else read_record(value)
        for parameter, value in paths.items()
    }  # fmt: skip
    digests = {
        parameter: [one.digest for one in value] if isinstance(value, list) else value.digest
        for parameter, value in sources.items()
    }
    module = step.partition(":")[0]
    here = digest_code(module)
    if code and code != here:
        raise ValueError(
            f"the code of {name} here is {here[:12]}, the pipeline was compiled with {code[:12]}: "
            "build the images from the commit that you compile, then compile and deploy again"
        )
    content = key(digest_step(module), settings.content(), scalars, digests)

    with contextlib.ExitStack() as stack:
        folder = os.environ.get(STORE) or stack.enter_context(tempfile.TemporaryDirectory())
        slot = Store(Path(folder)).slot(name, content)
        stack.enter_context(_locked(slot.path.with_suffix(".lock"), "the same step of another run"))
        reused = slot.finished
        if not reused:
            if lanes := os.environ.get(LANES):
                turn = Turn(patient, float(scalars.get("fraction", 0)))
                stack.enter_context(lane(Path(lanes), turn))
            continued = any(slot.work.iterdir())
            say("continues where it was interrupted" if continued else "starts")
            call = Call(
                step=step,
                settings=f"{type(settings).__module__}:{type(settings).__qualname__}",
                values=settings.model_dump_json(),
                folders={
                    "out": str(slot.work),
                    **{name: str(path) for name, path in (places or {}).items()},
                    **{
                        parameter: [str(one) for one in value]
                        if isinstance(value, list)
                        else str(value)
                        for parameter, value in paths.items()
                    },
                },
                scalars=scalars,
                environment=_environment(alone),
            )
            try:
                done, seconds = patiently(lambda: _timed(call))
            except Exception as error:
                say(f"failed: {error}")
                raise
            outcome = done.outcome
            record = Record(
                step=name,
                label=label,
                key=content,
                digest=digest_tree(slot.work),
                settings=settings.model_dump(mode="json"),
                scalars=scalars,
                inputs=digests,
                metrics={one: float(value) for one, value in outcome.metrics.items()},
                curves={one: [(int(x), float(y)) for x, y in points]
                        for one, points in outcome.curves.items()},
                warnings=list(outcome.warnings),
                seconds=seconds,
                continued=continued,
                memory=done.memory,
                device_memory=done.device_memory,
                packages=digest_packages(),
                lineage=_lineage(sources),
            )  # fmt: skip
            slot.finish(asdict(record))
        _hand_over(slot, output, metrics, label, reused)
        _show(slot.result, label, module, page, table)
    say("is done already" if reused else f"done in {seconds:.1f} s")


def _environment(alone: bool) -> dict[str, str]:
    """What a step finds in its environment; how many threads it may use is part of it."""
    cores = os.environ.get(CORES) if alone else None
    return {**os.environ, **({"OMP_NUM_THREADS": cores} if cores else {})}


def _timed(call: Call) -> tuple[Done, float]:
    """Compute, and how many seconds it took."""
    started = time.monotonic()
    warm = os.environ.get(WARM)
    done = perform_warm(call, Path(warm)) if warm else perform(call)
    return done, time.monotonic() - started


def _show(result: Path, label: str, module: str, page: Any | None, table: Any | None) -> None:
    record = read_record(result)
    shown = (label, record.metrics, record.warnings, readme(module))
    if page is not None:
        Path(page.path).write_text(page_of(result, *shown), encoding="utf-8")
    if table is not None:
        Path(table.path).write_text(table_of(*shown), encoding="utf-8")


def _hand_over(slot: Slot, output: Any, metrics: Any | None, label: str, reused: bool) -> None:
    from components.tracking import JOINED, PLUGIN, log

    place(slot.result, Path(output.path))
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


def _lineage(sources: Mapping[str, Record | list[Record]]) -> list[Record]:
    found: dict[str, Record] = {}
    for value in sources.values():
        for record in value if isinstance(value, list) else [value]:
            for one in (*record.lineage, record):
                fields = {**one.__dict__, "lineage": []}
                found.setdefault(f"{one.step} {one.key}", Record(**fields))
    return list(found.values())


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
