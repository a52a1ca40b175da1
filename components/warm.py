"""A warm process that steps are forked from, so that a run imports the heavy packages once.

Importing torch and diffusers takes ten seconds on two cores, and a run on one machine has dozens
of tasks, a process each. `defectory run` therefore starts this server, which imports them and
waits; a task sends it the call of its step with its own output streams, the server forks, and the
child computes. In a container nobody starts the server and a step is called where it is.

The server must not compute before it forks: neither torch's threads nor CUDA survive a fork. Some
packages ask for a GPU when they are imported, and the asking alone makes CUDA unusable in every
child, unless it is done without CUDA. Where that did not help, a child starts afresh.
"""

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.accelerator import CHOICE, gpus
from components.outcome import Outcome
from components.retry import Passing, transient

PRELOADED = (
    "cv2",
    "pandas",
    "pyarrow.parquet",
    "pycocotools.cocoeval",
    "scipy.ndimage",
    "torch",
    "torchvision.models.detection",
    "diffusers.models.controlnets.controlnet",
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.models.autoencoders.autoencoder_tiny",
    "diffusers.schedulers.scheduling_ddim",
    "transformers.models.clip.modeling_clip",
    "transformers.models.clip.tokenization_clip",
)
"""In the order in which a run needs them: calls are answered between two imports."""

_LONGEST = 1 << 22

_CHILD = "fd:"
"""Begins the argument of a child that starts afresh: the number of its connection follows."""

_ASK_THE_DRIVER = "PYTORCH_NVML_BASED_CUDA_CHECK"
"""Torch's environment variable for counting GPUs without CUDA."""


@dataclass(frozen=True)
class Call:
    """A call of a step function.

    Attributes:
        step: The function, as `module:name`.
        settings: Module and name of the settings' class, as `module:name`.
        values: The settings as JSON.
        folders: Folders, or lists of them, by parameter name.
        scalars: Other parameters by name.
        environment: The environment of the task.
    """

    step: str
    settings: str
    values: str
    folders: Mapping[str, str | Sequence[str]]
    scalars: Mapping[str, Any]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Done:
    """What came of a call.

    Attributes:
        outcome: What the step says about itself.
        memory: Peak resident memory of the process that computed, bytes.
        device_memory: Peak memory on the accelerator, bytes; 0 without one.
    """

    outcome: Outcome
    memory: int
    device_memory: int


class StepFailed(Exception):
    """The step raised an error; its traceback went to the task's output."""


class StepFailedForNow(StepFailed, Passing):
    """The step raised an error that may pass."""


def named(reference: str) -> Any:
    """The object that `module:name` names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def perform(call: Call) -> Done:
    """Call the step in this process."""
    _share(call.environment)
    settings = named(call.settings).model_validate_json(call.values)
    folders = {
        name: Path(value) if isinstance(value, str) else [Path(one) for one in value]
        for name, value in call.folders.items()
    }
    with _enough(settings):
        outcome = named(call.step)(settings=settings, **folders, **call.scalars)
    return Done(outcome, _memory(), _device_memory())


@contextlib.contextmanager
def _enough(settings: Any) -> Iterator[None]:
    """Say which settings take less of a GPU's memory when that was not enough."""
    try:
        yield
    except RuntimeError as error:
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(error, torch.OutOfMemoryError):
            raise
        ways = [f"batch below {settings.batch}"] if getattr(settings, "batch", 1) > 1 else []
        savings = ("bf16", "gradient_checkpointing")
        ways += [f"{one}=true" for one in savings if getattr(settings, one, True) is False]
        reason = str(error).partition(". ")[0]
        raise MemoryError(
            f"the GPU's memory is not enough ({reason}): "
            + (f"set this step's {' or '.join(ways)}, or " if ways else "")
            + "end what else computes on it, or take a GPU with more memory"
        ) from error


def _share(environment: Mapping[str, str]) -> None:
    """Use the threads and the GPU that the task has, whether torch is imported or not yet."""
    if CHOICE in environment:
        os.environ[CHOICE] = environment[CHOICE]
    threads = environment.get("OMP_NUM_THREADS", "")
    if threads.isdecimal():
        os.environ["OMP_NUM_THREADS"] = threads
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(int(threads))


def perform_warm(call: Call, address: Path) -> Done:
    """Call the step in a child of the server that listens at `address`.

    Raises:
        StepFailed: If the step raised an error, with that error's message.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(address))
        socket.send_fds(connection, [b"!"], [1, 2])
        with connection.makefile("rw") as stream:
            stream.write(json.dumps(asdict(call)) + "\n")
            stream.flush()
            answer = stream.readline()
    if not answer:
        raise StepFailed("the process that computed it was killed, perhaps for lack of memory")
    fields = json.loads(answer)
    if "error" in fields:
        raise (StepFailedForNow if fields["passing"] else StepFailed)(fields["error"])
    return Done(Outcome(**fields.pop("outcome")), **fields)


def serve(address: Path) -> None:
    """Fork for every call, until standard input closes; with the first call start to import.

    A run that finds all its steps done makes no call, and imports nothing.

    Standard input is a pipe from whoever started this process; it closes when that one ends, in
    whatever way.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ[_ASK_THE_DRIVER] = "1"
    # The threads here wait, hold nothing that a child needs, and are those of libraries that expect
    # to be forked; Python 3.12 warns of any.
    warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    with socket.socket(socket.AF_UNIX) as listener:
        aside = address.with_suffix(".part")
        aside.unlink(missing_ok=True)
        listener.bind(str(aside))
        listener.listen(64)
        aside.replace(address)
        _fork(listener)
        for module in PRELOADED:
            importlib.import_module(module)
            while select.select([listener], [], [], 0)[0]:
                _fork(listener)
        while True:
            _fork(listener)


def _fork(listener: socket.socket) -> None:
    """Take the next call and have a child answer it."""
    connection, _ = listener.accept()
    if os.fork() == 0:
        listener.close()
        if _cut_off():
            connection.set_inheritable(True)
            afresh = ["-m", "components.warm", f"{_CHILD}{connection.fileno()}"]
            os.execv(sys.executable, [sys.executable, *afresh])  # noqa: S606
        _answer(connection)
    connection.close()


def _cut_off() -> bool:
    """Whether this is a child that cannot reach a GPU because its server has asked CUDA for it."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(gpus()) and bool(torch.cuda._is_in_bad_fork())


def _answer(connection: socket.socket) -> None:
    """Compute one call in a child, and end it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        _, streams, _, _ = socket.recv_fds(connection, 1, 2)
        for target, source in enumerate(streams, start=1):
            os.dup2(source, target)
            os.close(source)
        with connection.makefile("rw") as stream:
            call = Call(**json.loads(stream.readline(_LONGEST)))
            os.environ.clear()
            os.environ.update(call.environment)
            threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
            try:
                answer = asdict(perform(call))
                code = 0
            except Exception as error:
                traceback.print_exc()
                answer = {
                    "error": f"{type(error).__name__}: {error}",
                    "passing": transient(error),
                }
            stream.write(json.dumps(answer) + "\n")
            stream.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_with(connection: socket.socket) -> None:
    """End this process when the task that asked for it is gone."""
    if connection.recv(1, socket.MSG_PEEK) == b"":
        os._exit(1)


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _device_memory() -> int:
    torch = sys.modules.get("torch")
    if torch is None or not torch.accelerator.is_available():
        return 0
    return int(torch.get_device_module().max_memory_allocated())


if __name__ == "__main__":
    if sys.argv[1].startswith(_CHILD):
        _answer(socket.socket(fileno=int(sys.argv[1].removeprefix(_CHILD))))
    serve(Path(sys.argv[1]))
