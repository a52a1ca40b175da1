"""The warm process, on steps that need little of what it imports."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.outcome import Outcome
from components.settings import Settings
from components.warm import Call, StepFailed, perform_warm


def greet(out: Path, settings: Settings, name: str, fail: bool = False) -> Outcome:
    if fail:
        raise ValueError(f"{name} is not welcome")
    (out / "greeting").write_text(f"{name} in {os.environ['PLACE']}")
    sys.stdout.write("greeted\n")
    return Outcome({"letters": len(name)}, {"loss": [(1, 2.0)]}, ["a warning"])


def linger(out: Path, settings: Settings) -> Outcome:
    (out / "pid").write_text(str(os.getpid()))
    time.sleep(60)
    return Outcome()


def threads(out: Path, settings: Settings) -> Outcome:
    import torch

    (out / "threads").write_text(f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']}")
    return Outcome()


def reach(out: Path, settings: Settings) -> Outcome:
    """Say whether CUDA is lost here, and whether torch was imported before."""
    warm = "torch" in sys.modules
    import torch

    return Outcome({"lost": torch.cuda._is_in_bad_fork(), "warm": warm})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with _serving(tmp_path_factory.mktemp("warm"), "w.PRELOADED = ('torch',)") as address:
        yield address


@contextlib.contextmanager
def _serving(folder: Path, change: str) -> Iterator[Path]:
    """A server in a process where `change`, a statement about `w`, was run before."""
    address = folder / "socket"
    command = (
        "import sys, components.warm as w; from pathlib import Path; "
        f"{change}; w.serve(Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", command, str(address)], env=environment, stdin=subprocess.PIPE
    )
    while not address.exists():
        time.sleep(0.01)
    yield address
    process.communicate()
    assert process.returncode == 0, "it ends when standard input closes"


def _call(step: str, out: Path, **scalars: object) -> Call:
    return Call(
        step=f"test_warm:{step}",
        settings="components.settings:Settings",
        values="{}",
        folders={"out": str(out)},
        scalars=scalars,
        environment={**os.environ, "PLACE": "town"},
    )


def test_a_step_computes_elsewhere_and_its_outcome_comes_back(
    server: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = perform_warm(_call("greet", tmp_path, name="Ada"), server)

    assert (tmp_path / "greeting").read_text() == "Ada in town"
    assert done.outcome.metrics == {"letters": 3}
    assert done.outcome.curves == {"loss": [[1, 2.0]]}
    assert done.memory > 1_000_000
    assert "greeted" in capfd.readouterr().out


def test_a_step_has_as_many_threads_as_its_task(server: Path, tmp_path: Path) -> None:
    """Torch is imported before most calls, and has read the server's environment then."""
    call = _call("threads", tmp_path)

    for count in ("1", "3", "2"):
        wanted = replace(call, environment={**call.environment, "OMP_NUM_THREADS": count})
        perform_warm(wanted, server)

        assert (tmp_path / "threads").read_text() == f"{count} {count}"


def test_an_error_comes_back_as_one(
    server: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StepFailed, match="ValueError: Bob is not welcome"):
        perform_warm(_call("greet", tmp_path, name="Bob", fail=True), server)

    assert "Traceback" in capfd.readouterr().err
    perform_warm(_call("greet", tmp_path, name="Ada"), server)


def test_a_killed_child_is_told(server: Path, tmp_path: Path) -> None:
    command = (
        "import os, signal, sys, time, pathlib\n"
        f"path = pathlib.Path({str(tmp_path / 'pid')!r})\n"
        "while not path.exists() or not path.read_text(): time.sleep(0.01)\n"
        "os.kill(int(path.read_text()), signal.SIGKILL)\n"
    )
    killer = subprocess.Popen([sys.executable, "-c", command])

    with pytest.raises(StepFailed, match="killed"):
        perform_warm(_call("linger", tmp_path), server)
    killer.wait()


def test_a_child_ends_with_the_task_that_asked_for_it(server: Path, tmp_path: Path) -> None:
    task = os.fork()
    if task == 0:
        perform_warm(_call("linger", tmp_path), server)
        os._exit(0)
    path = tmp_path / "pid"
    while not path.exists() or not path.read_text():
        time.sleep(0.01)

    os.kill(task, signal.SIGKILL)
    os.waitpid(task, 0)

    child = int(path.read_text())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _alive(child):
        time.sleep(0.02)
    assert not _alive(child)


def test_a_child_that_lost_the_gpu_starts_afresh(tmp_path: Path) -> None:
    lost = "import torch; torch.cuda.is_available(); w.PRELOADED = (); w.gpus = lambda: ['0']"
    with _serving(tmp_path, lost) as address:
        done = perform_warm(_call("reach", tmp_path), address)
        with pytest.raises(StepFailed, match="ValueError: Bob is not welcome"):
            perform_warm(_call("greet", tmp_path, name="Bob", fail=True), address)

    assert done.outcome.metrics == {"lost": False, "warm": False}


def test_without_a_gpu_a_child_stays_warm_whatever_was_asked(tmp_path: Path) -> None:
    lost = "import torch; torch.cuda.is_available(); w.PRELOADED = (); w.gpus = list"
    with _serving(tmp_path, lost) as address:
        done = perform_warm(_call("reach", tmp_path), address)

    assert done.outcome.metrics == {"lost": True, "warm": True}


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
