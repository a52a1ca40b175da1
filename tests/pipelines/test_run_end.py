"""How a run on this machine begins, and how it ends, whatever becomes of MLflow.

The DAG itself is left out.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kfp import local
from stand_in import keep_environment

from components.accelerator import CHOICE
from components.cores import cores
from components.store import RECORD
from components.task import LANES
from components.tracking import Tracker
from pipelines import run
from pipelines.machine import lanes
from pipelines.presets import preset
from pipelines.run import Request, RunFailed, execute

REPORT = {
    "step": "report", "label": "report", "key": "k", "digest": "d", "settings": {}, "scalars": {},
    "inputs": {}, "metrics": {}, "curves": {}, "warnings": [], "seconds": 1.0, "continued": False,
    "memory": 1, "device_memory": 0, "packages": "", "lineage": [],
}  # fmt: skip


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Request]:
    """A run into an empty folder; what it puts into the environment is taken out again."""
    keep_environment(monkeypatch)
    monkeypatch.setattr(run, "_warm_server", lambda log: contextlib.nullcontext())
    out = tmp_path / "out"
    yield Request(preset("smoke"), "photos", "", "sha256:1", out, tmp_path / "store")


def _dag(act: Callable[[], None]) -> Callable[..., Callable[[], None]]:
    return lambda *_: act


def _report(folder: Path, spool: Path) -> Callable[[], None]:
    """A DAG of nothing but a report."""

    def act() -> None:
        folder.mkdir()
        (folder / RECORD).write_text(json.dumps(REPORT))
        (folder / "report.html").write_text("<html>the verdict</html>")
        notice = {"result": str(folder), "label": "report", "reused": False, "task": "t"}
        (spool / "1.json").write_text(json.dumps(notice))

    return act


def _gone(*_: Any) -> None:
    raise ConnectionError("MLflow went away")


@pytest.mark.parametrize("own", ["", "7"])
def test_the_lanes_share_the_cores(
    request_of: Request, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", own)
    left = request_of.store / "lanes" / "17"
    left.parent.mkdir(parents=True)
    left.touch()
    threads, files = [], []

    def act() -> None:
        threads.append(os.environ["OMP_NUM_THREADS"])
        files.extend(path.name for path in Path(os.environ[LANES]).iterdir())

    monkeypatch.setattr(run, "pipeline", _dag(act))

    execute(request_of)

    assert sorted(files) == [str(number) for number in range(lanes())], "others are from before"
    assert threads == [own or str(cores() // lanes())]


@pytest.mark.parametrize("choice", [None, "", "1"])
def test_containers_are_told_which_gpus_were_chosen(
    request_of: Request, photo_folder: Path, monkeypatch: pytest.MonkeyPatch, choice: str | None
) -> None:
    monkeypatch.delenv(CHOICE, raising=False)
    if choice is not None:
        monkeypatch.setenv(CHOICE, choice)
    given: list[Mapping[str, str]] = []

    @contextlib.contextmanager
    def containers(*arguments: Any) -> Iterator[Any]:
        given.append(arguments[-1])
        yield local.SubprocessRunner(use_venv=False)

    monkeypatch.setattr(run, "containers", containers)
    monkeypatch.setattr(run, "pipeline", _dag(lambda: None))

    execute(replace(request_of, data=str(photo_folder), runner="docker"))

    assert [one.get(CHOICE) for one in given] == [choice]


@pytest.mark.parametrize("call", ["tag", "finish"])
def test_mlflow_that_goes_away_at_the_end_costs_no_results(
    request_of: Request, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, call: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(Tracker, call, _gone)
    act = _report(tmp_path / "report", request_of.out / ".notices")
    monkeypatch.setattr(run, "pipeline", _dag(act))

    notices = execute(request_of)

    assert [one.label for one in notices] == ["report"]
    assert "the verdict" in (request_of.out / "report.html").read_text()
    assert "MLflow could not be written: MLflow went away" in capsys.readouterr().out


def test_mlflow_that_goes_away_does_not_hide_why_a_step_failed(
    request_of: Request, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def act() -> None:
        raise RuntimeError("the photos are gone")

    monkeypatch.setattr(Tracker, "finish", _gone)
    monkeypatch.setattr(run, "pipeline", _dag(act))

    with pytest.raises(RunFailed, match="the photos are gone"):
        execute(request_of)

    assert "MLflow could not be written: MLflow went away" in capsys.readouterr().out


def test_the_password_of_mlflows_address_is_not_printed(
    request_of: Request, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:hunter22@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    act = _report(tmp_path / "report", request_of.out / ".notices")
    monkeypatch.setattr(run, "pipeline", _dag(act))

    execute(request_of)

    said = capsys.readouterr()
    assert "MLflow could not be written" in said.out
    assert "hunter22" not in said.out + said.err
    assert (request_of.out / "report.html").is_file()
