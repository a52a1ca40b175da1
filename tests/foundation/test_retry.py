"""What is tried again and what is not, on errors that were really raised."""

import errno
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import pytest

from components.outcome import Outcome
from components.retry import PAUSE, TRIES, patiently, transient
from components.settings import Settings
from components.task import SPOOL, STORE, run

TRIED: list[str] = []
PASSING = [ConnectionResetError("reset"), OSError(errno.ESTALE, "stale file handle")]
LASTING = [TypeError("unexpected keyword"), OSError(errno.ENOSPC, "disk full")]


def work(out: Path, settings: Settings, errors: list[int], lasting: bool = False) -> Outcome:
    """Fails as often as there are errors, then finishes what the tries before left."""
    TRIED.append("tried")
    with (out / "left").open("a") as stream:
        stream.write("x")
    if len(TRIED) <= len(errors):
        raise (LASTING if lasting else PASSING)[errors[len(TRIED) - 1]]
    return Outcome()


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    TRIED.clear()
    (tmp_path / "spool").mkdir()
    monkeypatch.setenv(STORE, str(tmp_path / "store"))
    monkeypatch.setenv(SPOOL, str(tmp_path / "spool"))
    monkeypatch.setenv(TRIES, "3")
    monkeypatch.setenv(PAUSE, "0.001")


def _run(output: Path, **scalars: object) -> None:
    artifact = SimpleNamespace(path=str(output), uri=str(output), metadata={})
    run(
        f"{__name__}:work", name="work", settings=Settings(), inputs={}, output=artifact,
        scalars=scalars,
    )  # fmt: skip


def test_a_passing_error_is_tried_again_and_the_work_continues(tmp_path: Path) -> None:
    _run(tmp_path / "out", errors=[0, 1])

    assert (tmp_path / "out" / "left").read_text() == "xxx"


def test_tries_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError):
        _run(tmp_path / "out", errors=[0, 0, 0, 0])

    assert len(TRIED) == 3


@pytest.mark.parametrize("number", range(len(LASTING)))
def test_other_errors_are_raised_at_once(number: int, tmp_path: Path) -> None:
    with pytest.raises(type(LASTING[number])):
        _run(tmp_path / "out", errors=[number], lasting=True)

    assert len(TRIED) == 1


def test_code_that_the_pipeline_was_not_compiled_with_is_refused(tmp_path: Path) -> None:
    artifact = SimpleNamespace(path=str(tmp_path / "out"), uri="", metadata={})

    with pytest.raises(ValueError, match="build the images"):
        run(
            f"{__name__}:work", name="work", settings=Settings(), inputs={}, output=artifact,
            scalars={"errors": []}, code="0" * 64,
        )  # fmt: skip

    assert TRIED == []


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(int(self.path.strip("/")))

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("status", "passes"), [(503, True), (429, True), (404, False)])
def test_a_server_in_trouble_passes_and_a_refusal_does_not(status: int, passes: bool) -> None:
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        threading.Thread(target=server.handle_request).start()
        with pytest.raises(OSError) as error:
            urlopen(f"http://127.0.0.1:{server.server_port}/{status}", timeout=5)

    assert transient(error.value) is passes


def test_no_server_at_all_passes() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(OSError) as error:
        urlopen(f"http://127.0.0.1:{port}/", timeout=5)

    assert transient(error.value)


def test_the_hub_s_client_in_trouble_passes() -> None:
    """It names its errors by the library that it speaks HTTP with."""
    from huggingface_hub.utils import get_session

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(Exception) as error:
        get_session().get(f"http://127.0.0.1:{port}/")

    assert not isinstance(error.value, OSError), "an error that passes by its name alone"
    assert transient(error.value)


def test_an_error_passes_when_its_cause_does() -> None:
    def fetch() -> None:
        try:
            raise TimeoutError("remote")
        except TimeoutError as error:
            raise ValueError("cannot fetch") from error

    with pytest.raises(ValueError) as error:
        patiently(fetch)

    assert transient(error.value)
    assert not transient(ValueError("wrong"))
    assert not transient(subprocess.CalledProcessError(1, "git"))
