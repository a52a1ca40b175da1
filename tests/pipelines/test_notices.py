import json
import os
from pathlib import Path

import pytest

from components.outcome import Outcome
from components.record import Record
from components.settings import Settings
from components.store import RECORD
from components.tracking import GIT_REVISION, Tracker
from pipelines.notices import Collector, TrackerOf


def _result(folder: Path, **metrics: float) -> Path:
    folder.mkdir()
    record = Record(
        step="step", label="step", key="k", digest="d", settings={}, scalars={}, inputs={},
        metrics=Outcome({"n": 1.0} | metrics).metrics, curves={}, warnings=[], seconds=1.0,
        continued=False, memory=1, device_memory=0, packages="",
    )  # fmt: skip
    (folder / RECORD).write_text(json.dumps({**record.__dict__, **Settings().model_dump()}))
    return folder


def _notice(spool: Path, result: Path, number: int) -> None:
    fields = {"result": str(result), "label": f"step {number}", "reused": False, "task": "t"}
    (spool / f"{number}.json").write_text(json.dumps(fields))


def test_a_notice_that_comes_last_is_logged_too(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracking = TrackerOf(uri, tmp_path / "artifacts", "run", {"tag": "value"}, {"run": {"seed": 0}})
    result = _result(tmp_path / "result")
    spool = tmp_path / "spool"

    with Collector(spool, tracking) as collector:
        for number in range(3):
            _notice(spool, result, number)

    assert collector.failure is None
    assert [one.label for one in collector.notices] == ["step 0", "step 1", "step 2"]
    assert tracking.started is not None
    tracker, parent = tracking.started
    runs = tracker.client.search_runs([tracker.experiment])
    children = [one for one in runs if one.data.tags.get("mlflow.parentRunId") == parent]
    assert sorted(one.info.run_name for one in children) == ["step 0", "step 1", "step 2"]
    assert all(GIT_REVISION not in one.data.tags for one in children), "it is not known"


def test_a_class_may_have_any_name(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracking = TrackerOf(uri, tmp_path / "artifacts", "run", {}, {})
    result = _result(tmp_path / "result", **{"images_Riß (tief) + ../grat": 3.0, "images_pit": 2.0})
    spool = tmp_path / "spool"

    with Collector(spool, tracking) as collector:
        _notice(spool, result, 0)

    assert collector.failure is None
    assert tracking.started is not None
    tracker, _ = tracking.started
    runs = tracker.client.search_runs([tracker.experiment])
    (step,) = [one for one in runs if one.info.run_name == "step 0"]
    assert step.data.metrics["images_Riß _tief_ _ .._grat"] == 3.0
    assert step.data.metrics["images_pit"] == 2.0


def test_mlflow_asks_nobody_but_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "")
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY")

    Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}")

    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_every_task_has_the_revision_that_the_run_has(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracking = TrackerOf(uri, tmp_path / "artifacts", "run", {GIT_REVISION: "0123-dirty"}, {})
    spool = tmp_path / "spool"

    with Collector(spool, tracking) as collector:
        _notice(spool, _result(tmp_path / "result"), 0)

    assert collector.failure is None
    assert tracking.started is not None
    tracker, _ = tracking.started
    runs = tracker.client.search_runs([tracker.experiment])
    assert [one.data.tags[GIT_REVISION] for one in runs] == ["0123-dirty"] * 2


def test_a_store_that_cannot_be_written_costs_only_the_log(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    tracking = TrackerOf(f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}", tmp_path, "run", {}, {})
    spool = tmp_path / "spool"

    with Collector(spool, tracking) as collector:
        _notice(spool, _result(tmp_path / "result"), 0)

    assert collector.failure is not None
    assert len(collector.notices) == 1
