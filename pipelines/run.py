"""One pipeline run on this machine, through KFP's local runner."""

import contextlib
import fcntl
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.accelerator import CHOICE
from components.cores import cores
from components.data_versioning.source import fetched
from components.fraction import folder
from components.record import read_record
from components.store import place
from components.task import CORES, LANES, SPOOL, STORE, WARM
from components.tracking import GIT_REVISION
from pipelines.config import Config
from pipelines.console import Console
from pipelines.docker import EngineFailed, containers
from pipelines.machine import lanes
from pipelines.memory import most
from pipelines.notices import Collector, Notice, TrackerOf
from pipelines.revision import git_revision
from pipelines.valvano import pipeline

STORE_FOLDER = ".store"
_KFP_FOLDER = ".kfp"
_SPOOL_FOLDER = ".notices"
# Tensors come and go with every step: memory that is given back costs a tenth of the time.
_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
# A thread that waits for the others by turning round and round takes the core that they need: with
# other work on a machine of two cores, a step on both took twice as long as on one.
_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True)
class Request:
    """What is to be run.

    Attributes:
        config: The whole configuration.
        data: Folder of photos, or a `.dvc` file.
        revision: Git revision of the `.dvc` file; empty for the working tree.
        digest: Content digest of the photos.
        out: Folder for the results.
        store: Folder of finished and unfinished steps.
        runner: How tasks run: as processes of this installation, or in containers.
    """

    config: Config
    data: str
    revision: str
    digest: str
    out: Path
    store: Path
    runner: Literal["subprocess", "docker"] = "subprocess"


class RunFailed(Exception):
    """A step failed; the message says which one and where to read on."""


def execute(request: Request) -> list[Notice]:
    """Run the pipeline and publish its results below `request.out`.

    Raises:
        RunFailed: If a step failed, or if another run works in the same folder.
    """
    request.out.mkdir(parents=True, exist_ok=True)
    with (request.out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFailed(
                f"another run works in {request.out}; wait for it, or give another --out"
            ) from None
        return _execute(request)


def _execute(request: Request) -> list[Notice]:
    from kfp import local

    out = request.out
    root = out / _KFP_FOLDER
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    log = out / "run.log"
    tracking = TrackerOf(
        tracking_uri(out),
        out / "mlflow" / "artifacts",
        name=out.name,
        tags={
            "defectory.data": request.data,
            "defectory.data_digest": request.digest,
            "defectory.data_revision": request.revision,
            GIT_REVISION: git_revision(),
        },
        params=request.config.model_dump(mode="json"),
    )
    (out / "mlflow").mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    logging.getLogger("alembic").setLevel(logging.ERROR)
    succeeded = False
    collector = Collector(out / _SPOOL_FOLDER, tracking)
    try:
        with (
            _runner(request, log) as (runner, data, revision),
            contextlib.closing(Console(log, sys.stdout)) as console,
            collector,
            contextlib.redirect_stdout(console),
            warnings.catch_warnings(),
        ):
            # It warns that images without "python" in their name may hold no Python.
            warnings.simplefilter("ignore", RuntimeWarning)
            local.init(runner, pipeline_root=str(root), raise_on_error=True)
            pipeline(request.config, data, revision, request.digest)()
        succeeded = True
    except (RuntimeError, EngineFailed) as error:
        raise RunFailed(f"{_last_line(error)}\nThe whole log is in {log}.") from error
    finally:
        # Only now is every task logged, and the run surely started.
        unended = tracking.end({"kfp.pipeline_run_id": _job(root)}, succeeded)
        if failure := collector.failure or unended:
            sys.stdout.write(f"{tracking.complaint(failure)}\n")
    publish(collector.notices, out)
    shutil.rmtree(root, ignore_errors=True)
    return collector.notices


def _prepared(folder: Path, count: int) -> Path:
    """A folder with a file for every lane."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [str(number) for number in range(count)]
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()
    for name in names:
        (folder / name).touch()
    return folder


@contextlib.contextmanager
def _runner(request: Request, log: Path) -> Iterator[tuple[Any, str, str]]:
    """KFP's runner, and where the tasks find the photos: `data` and `revision`."""
    from kfp import local

    at_once = lanes(most(request.config))
    environment = {
        STORE: str(request.store),
        SPOOL: str(request.out / _SPOOL_FOLDER),
        LANES: str(_prepared(request.store / "lanes", at_once)),
        "PYTHONUNBUFFERED": "1",
        CORES: os.environ.get("OMP_NUM_THREADS") or str(cores()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(cores() // at_once),
        **{name: os.environ.get(name, value) for name, value in (_MEMORY | _THREADS).items()},
        **({CHOICE: os.environ[CHOICE]} if CHOICE in os.environ else {}),
    }
    if request.runner == "subprocess":
        os.environ.update(environment)
        with _warm_server(log):
            yield local.SubprocessRunner(use_venv=False), request.data, request.revision
        return
    request.store.mkdir(parents=True, exist_ok=True)
    # A version that DVC keeps is fetched here: a container has neither its repository nor its keys.
    with (
        fetched(request.data, request.revision) as folder,
        containers(
            request.config,
            request.out,
            [request.out, request.store],
            [folder],
            environment,
        ) as runner,
    ):
        yield runner, str(folder), ""


@contextlib.contextmanager
def _warm_server(log: Path) -> Iterator[None]:
    """Keep a warm process (components/warm.py) while the pipeline runs."""
    with tempfile.TemporaryDirectory(prefix="defectory-") as folder, log.open("a") as output:
        address = Path(folder) / "warm.socket"
        command = [sys.executable, "-m", "components.warm", str(address)]
        server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
        )
        os.environ[WARM] = str(address)
        try:
            while not address.exists():
                if server.poll() is not None:
                    raise RunFailed(f"the process that computes did not start; see {log}")
                time.sleep(0.02)
            yield
        finally:
            os.environ.pop(WARM, None)
            server.kill()
            server.wait()


def publish(notices: list[Notice], out: Path) -> None:
    """Put what people look for at its place below `out`.

    Synthetic sets and models are links to the store where the file system allows it.
    """
    for notice in notices:
        record = read_record(notice.result)
        fraction = record.scalars.get("fraction")
        part = folder(float(fraction)) if fraction is not None else ""
        if record.step == "synthetic_set":
            place(notice.result, _made(out / "synthetic" / part))
        elif record.step in ("dreambooth", "hypernetwork"):
            place(notice.result, _made(out / "models" / part / record.step))
        elif record.step == "mask_rcnn":
            name = f"{record.scalars['regime']}-{record.scalars['seed']}"
            place(notice.result, _made(out / "models" / part / "mask_rcnn" / name))
        elif record.step == "report":
            for name in ("report.html", "summary.json", "overview.png"):
                if not (notice.result / name).is_file():
                    continue
                aside = out / f".{name}"
                shutil.copyfile(notice.result / name, aside)
                aside.replace(out / name)


def tracking_uri(out: Path) -> str:
    """MLflow's address: `MLFLOW_TRACKING_URI`, or an SQLite file among the results."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{out / 'mlflow' / 'mlflow.db'}"


def _made(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _job(root: Path) -> str:
    return next((path.name for path in sorted(root.iterdir()) if path.is_dir()), "")


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
