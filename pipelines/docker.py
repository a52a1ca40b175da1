"""The containers of `defectory run --runner docker`: the same DAG, a container a task.

KFP's DockerRunner shows a task nothing but KFP's own folder. The store, the notices, the photos
and what the configuration needs of this machine (shown.py) are therefore mounted too, each at the
path that it has here.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.accelerator import gpus
from components.image import SETS, image
from pipelines.config import Config
from pipelines.shown import check_shown

if TYPE_CHECKING:
    from docker import DockerClient
    from kfp.local import DockerRunner

_LABEL = "dev.defectory.run"
_SHARED_MEMORY = "2g"
_PATIENCE = 5.0
_PAUSE = 0.5


class EngineFailed(Exception):
    """No engine, no image, or no container; the message says what to do."""


@contextlib.contextmanager
def containers(
    config: Config,
    out: Path,
    writable: Sequence[Path],
    readable: Sequence[Path],
    environment: Mapping[str, str],
) -> Iterator["DockerRunner"]:
    """Give a runner whose containers end with this context, however it ends.

    They run as the user who calls, without capabilities, on a root file system that cannot be
    written, with the machine's GPUs.

    Args:
        config: The run's configuration; what it needs of this machine is mounted too.
        out: The run's folder, by which its containers are known.
        writable: Existing folders that tasks write to.
        readable: Existing files and folders that tasks only read.
        environment: Environment of every task.

    Raises:
        EngineFailed: If there is no engine or no image, or if a container cannot be started.
        NotShown: If something of this machine cannot be shown to them.
    """
    import docker
    from kfp import local

    seen = check_shown(config, os.environ, writable, readable)
    with contextlib.closing(_client()) as client:
        try:
            _check_images(client)
            with (
                _none_left(client, out),
                _interruptible(client, out),
                _watched(client, out) as failed,
            ):
                yield local.DockerRunner(
                    mounts=[
                        *_mounts(seen.writable, read_only=False),
                        *_mounts(seen.readable, read_only=True),
                    ],
                    environment={**seen.environment, **environment},
                    user=f"{os.getuid()}:{os.getgid()}",
                    group_add=[str(group) for group in os.getgroups()],
                    labels={_LABEL: str(out)},
                    cap_drop=["ALL"],
                    read_only=True,
                    tmpfs={"/tmp": "exec,mode=1777"},  # noqa: S108
                    security_opt=["no-new-privileges"],
                    shm_size=_SHARED_MEMORY,
                    device_requests=_accelerators(),
                )
            # KFP takes a container that was gone before it looked for one that succeeded.
            if failed:
                raise EngineFailed(f"a task failed, container {', '.join(failed)}")
        except docker.errors.DockerException as error:
            raise EngineFailed(
                _advice(str(getattr(error, "explanation", None) or error))
            ) from error


def _client() -> "DockerClient":
    import docker

    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        raise EngineFailed(
            f"no Docker Engine answers ({error}): start it, or say where it is in DOCKER_HOST; "
            "your user must be allowed to use it. Without one, --runner subprocess does the same"
        ) from error
    return client


@contextlib.contextmanager
def _none_left(client: "DockerClient", out: Path) -> Iterator[None]:
    """Remove the run's containers, before and after."""
    # A run that was killed has left its containers: they would hold on to its store.
    _remove(client, out)
    try:
        yield
    finally:
        _remove(client, out)


@contextlib.contextmanager
def _interruptible(client: "DockerClient", out: Path) -> Iterator[None]:
    """End the containers when the run is interrupted: KFP waits for its tasks before it ends."""
    over = threading.Event()

    def remove() -> None:
        while not over.is_set():
            _remove(client, out)
            over.wait(_PAUSE)

    def interrupted(*_: object) -> None:
        threading.Thread(target=remove, name="interrupted", daemon=True).start()
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    ours = before is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        over.set()
        if ours:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _watched(client: "DockerClient", out: Path) -> Iterator[list[str]]:
    """Give a list that fills with those of the run's containers that end with an error."""
    failed: list[str] = []
    events = client.events(decode=True, filters={"label": f"{_LABEL}={out}", "event": "die"})

    def read() -> None:
        for event in events:
            about = event["Actor"]["Attributes"]
            if about["exitCode"] != "0":
                failed.append(f"{about['name']} ({about['image']}), exit code {about['exitCode']}")

    thread = threading.Thread(target=read, name="containers", daemon=True)
    thread.start()
    try:
        yield failed
    finally:
        events.close()
        thread.join(_PATIENCE)


def _check_images(client: "DockerClient") -> None:
    """An image with a registry's digest is pulled when it is needed; others must be here."""
    here = {tag for one in client.images.list() for tag in one.tags}
    wanted = [image(dependencies) for dependencies in SETS]
    missing = [one for one in wanted if "@" not in one and one not in here]
    if missing:
        raise EngineFailed(
            f"not on this machine: {', '.join(missing)}. `defectory images build` builds the "
            "images; DEFECTORY_IMAGES names another list of them"
        )


def _remove(client: "DockerClient", out: Path) -> None:
    from docker.errors import APIError

    # Any of them may end by itself, and be gone, at any moment.
    for one in client.containers.list(
        all=True, filters={"label": f"{_LABEL}={out}"}, ignore_removed=True
    ):
        with contextlib.suppress(APIError):
            one.remove(force=True)


def _mounts(paths: Sequence[Path], *, read_only: bool) -> list[Any]:
    from docker.types import Mount

    return [
        Mount(target=str(path), source=str(path), type="bind", read_only=read_only)
        for path in dict.fromkeys(path.resolve() for path in paths)
    ]


def _accelerators() -> list[Any]:
    from docker.types import DeviceRequest

    if not gpus():
        return []
    # All of them, whatever their names: each task is told which one to take (components/lanes.py).
    return [DeviceRequest(count=-1, capabilities=[["gpu"]])]


def _advice(reason: str) -> str:
    if "could not select device driver" in reason:
        return (
            f"the engine cannot give a container the GPU ({reason}): install the NVIDIA Container "
            "Toolkit and restart the engine"
        )
    if "Mounts denied" in reason or "bind source path does not exist" in reason:
        return (
            f"the engine cannot see a folder of this machine ({reason}): it must run on this "
            "machine and be allowed to mount the run's folder and the photos"
        )
    return f"the engine could not run a container: {reason}"
