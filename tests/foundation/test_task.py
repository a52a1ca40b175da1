"""The task edge, on a step that counts how often it is really run."""

import contextlib
import errno
import fcntl
import json
import os
import queue
import shutil
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from components import task as edge
from components.accelerator import CHOICE
from components.history import history
from components.outcome import Outcome
from components.record import read_record
from components.retry import PAUSE
from components.settings import Settings
from components.task import CORES, LANES, RUN, SPOOL, STORE, run
from components.tracking import JOINED, PLUGIN


class CountSettings(Settings):
    steps: int = 1


CALLS: list[str] = []


def count(out: Path, settings: CountSettings, fail: bool = False, **inputs: Path) -> Outcome:
    CALLS.append(str(settings.steps))
    (out / "started").write_text("yes")
    if fail and len(CALLS) == 1:
        raise ValueError("interrupted")
    (out / "result").write_text(f"{settings.steps} {sorted(inputs)}")
    return Outcome({"steps": settings.steps, "odd": float("nan")}, {"loss": [(1, 0.5)]}, ["few"])


COMPUTING: queue.Queue[int] = queue.Queue()
MAY_END: defaultdict[int, threading.Event] = defaultdict(threading.Event)


def occupy(out: Path, settings: CountSettings) -> Outcome:
    COMPUTING.put(settings.steps)
    assert MAY_END[settings.steps].wait(60)
    return Outcome()


def threads(out: Path, settings: CountSettings) -> Outcome:
    (out / "threads").write_text(os.environ["OMP_NUM_THREADS"])
    return Outcome()


def chosen(out: Path, settings: CountSettings) -> Outcome:
    (out / "gpu").write_text(os.environ[CHOICE])
    return Outcome()


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    MAY_END.clear()
    (tmp_path / "spool").mkdir()
    monkeypatch.setenv(STORE, str(tmp_path / "store"))
    monkeypatch.setenv(SPOOL, str(tmp_path / "spool"))


def _artifact(path: Path) -> SimpleNamespace:
    return SimpleNamespace(path=str(path), uri=str(path), metadata={})


def _run(output: Path, steps: int = 1, function: str = "count", **more: object) -> None:
    options: dict[str, object] = {"inputs": {}, **more}
    run(
        f"{__name__}:{function}",
        name="count",
        settings=CountSettings(steps=steps),
        output=_artifact(output),
        **options,  # type: ignore[arg-type]
    )


def test_the_same_content_is_computed_once(tmp_path: Path) -> None:
    _run(tmp_path / "one")
    _run(tmp_path / "two")

    assert CALLS == ["1"]
    assert (tmp_path / "two" / "result").read_text() == (tmp_path / "one" / "result").read_text()
    notices = [json.loads(path.read_text()) for path in sorted((tmp_path / "spool").iterdir())]
    assert [notice["reused"] for notice in notices] == [False, True]


def test_a_changed_setting_is_computed_again(tmp_path: Path) -> None:
    _run(tmp_path / "one", steps=1)
    _run(tmp_path / "two", steps=2)

    assert CALLS == ["1", "2"]


def test_what_follows_depends_on_content_and_not_on_the_way_to_it(tmp_path: Path) -> None:
    _run(tmp_path / "a")
    _run(tmp_path / "b" / "elsewhere")
    CALLS.clear()

    _run(tmp_path / "after a", steps=5, inputs={"source": _artifact(tmp_path / "a")})
    _run(tmp_path / "after b", steps=5, inputs={"source": _artifact(tmp_path / "b" / "elsewhere")})

    assert CALLS == ["5"]


def test_an_interrupted_step_continues_in_its_work_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="interrupted"):
        _run(tmp_path / "one", scalars={"fail": True})
    assert not (tmp_path / "one").exists()

    _run(tmp_path / "one", scalars={"fail": True})

    assert read_record(tmp_path / "one").continued


@pytest.mark.parametrize("late", [False, True])
def test_a_store_in_trouble_costs_no_result(
    late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pod would fail, and KFP does not try again what failed by itself."""
    monkeypatch.setenv(PAUSE, "0.001")
    rename, copy = Path.rename, shutil.copy2
    failed: list[str] = []

    def renamed(path: Path, target: Path) -> Path:
        if path.name != "work" or "rename" in failed:
            return rename(path, target)
        failed.append("rename")
        if late:
            rename(path, target)
        else:
            # Only root could write to it again.
            assert all(one.stat().st_mode & 0o200 for one in path.rglob("*"))
        raise OSError(errno.ESTALE, "Stale file handle")

    def linked(source: str, target: str) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def copied(source: str, target: str) -> str:
        if "copy" not in failed:
            failed.append("copy")
            raise OSError(errno.ESTALE, "Stale file handle")
        return str(copy(source, target))

    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(os, "link", linked)
    monkeypatch.setattr(shutil, "copy2", copied)
    _run(tmp_path / "one")
    _run(tmp_path / "two")

    assert failed == ["rename", "copy"]
    assert CALLS == ["1"]
    assert (tmp_path / "one" / "result").read_text() == "1 []"
    kept = [one for one in (tmp_path / "store").rglob("*") if one.parent.name == "result"]
    assert kept and not any(one.stat().st_mode & 0o222 for one in kept)
    assert read_record(tmp_path / "one").digest == read_record(tmp_path / "two").digest


def test_the_record_has_numbers_curves_warnings_and_lineage(tmp_path: Path) -> None:
    _run(tmp_path / "first")
    _run(
        tmp_path / "second",
        steps=2,
        inputs={"source": _artifact(tmp_path / "first"), "more": [_artifact(tmp_path / "first")]},
    )

    record = read_record(tmp_path / "second")
    assert record.metrics["steps"] == 2
    assert record.curves == {"loss": [[1, 0.5]]}
    assert record.warnings == ["few"]
    assert record.memory > 1_000_000
    assert [one.settings for one in record.lineage] == [{"steps": 1}]


@pytest.mark.parametrize("plugin", [None, JOINED, PLUGIN])
def test_only_finite_numbers_reach_kfp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str | None
) -> None:
    for name in (JOINED, PLUGIN):
        monkeypatch.delenv(name, raising=False)
    if plugin is not None:
        monkeypatch.setenv(plugin, "0123")
    logged: dict[str, float] = {}
    metrics = SimpleNamespace(log_metric=logged.__setitem__, metadata={})

    _run(tmp_path / "one", metrics=metrics)

    assert logged == {"steps": 1.0}
    assert metrics.metadata == ({} if plugin else {"label": "count"})


def test_why_a_task_failed_is_kept_until_another_try_goes_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE, str(tmp_path / "store"))
    monkeypatch.setenv(RUN, "run 1")
    past = history(str(tmp_path / "store"))
    assert past is not None

    with pytest.raises(ValueError, match="compiled with other code"):
        _run(tmp_path / "one", code="other code")
    (reason,) = past.reasons("run 1")
    assert reason.startswith("count: the code of count here is ")
    assert past.reasons("run 2") == []

    _run(tmp_path / "one")
    assert past.reasons("run 1") == []


def test_why_a_task_failed_is_told_to_kubernetes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tmp_path / "termination-log"
    words.touch()
    monkeypatch.setattr(edge, "LAST_WORDS", words)
    monkeypatch.setenv(RUN, "run 1")

    _run(tmp_path / "one")
    assert words.read_text() == ""

    with pytest.raises(ValueError, match="compiled with other code"):
        _run(tmp_path / "two", code="other code")
    assert words.read_text().startswith("the code of count here is ")


def test_outside_of_a_run_in_kubernetes_no_last_words_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tmp_path / "termination-log"
    monkeypatch.setattr(edge, "LAST_WORDS", words)
    monkeypatch.setenv(RUN, "run 1")

    with pytest.raises(ValueError, match="compiled with other code"):
        _run(tmp_path / "one", code="other code")
    assert not words.exists()

    # A container that is no task of a run, for instance one that somebody works in.
    words.touch()
    monkeypatch.delenv(RUN)
    with pytest.raises(ValueError, match="compiled with other code"):
        _run(tmp_path / "one", code="other code")
    assert words.read_text() == ""


def _lanes(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    found = [folder / str(number) for number in range(count)]
    for path in found:
        path.touch()
    return found


@pytest.mark.parametrize("count", [1, 2])
def test_as_many_tasks_compute_at_once_as_there_are_lanes(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lanes(tmp_path / "lanes", count)
    monkeypatch.setenv(LANES, str(tmp_path / "lanes"))
    numbers = range(10, 10 + count + 2)

    with ThreadPoolExecutor(len(numbers)) as pool:
        tasks = [pool.submit(_run, tmp_path / str(one), one, "occupy") for one in numbers]
        try:
            computing = {COMPUTING.get(timeout=60) for _ in range(count)}
            with pytest.raises(queue.Empty):
                COMPUTING.get(timeout=0.3)
            MAY_END[min(computing)].set()
            computing.add(COMPUTING.get(timeout=60))
            with pytest.raises(queue.Empty):
                COMPUTING.get(timeout=0.3)
        finally:
            for one in numbers:
                MAY_END[one].set()
    for task in tasks:
        task.result()

    assert len(computing) == count + 1
    assert {COMPUTING.get(timeout=60)} == set(numbers) - computing


@pytest.mark.parametrize(
    ("alone", "cores", "found"), [(True, "6", "6"), (False, "6", "3"), (True, None, "3")]
)
def test_a_task_that_computes_alone_may_use_all_cores(
    alone: bool,
    cores: str | None,
    found: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    if cores:
        monkeypatch.setenv(CORES, cores)

    _run(tmp_path / "one", function="threads", alone=alone)

    assert (tmp_path / "one" / "threads").read_text() == found


def test_a_container_s_limit_says_how_many_threads_where_nobody_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch counts the cores of the node, of which a pod may have a share."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(edge, "cores", lambda: 7)

    _run(tmp_path / "one", function="threads")

    assert (tmp_path / "one" / "threads").read_text() == "7"


@pytest.mark.parametrize(
    ("names", "busy", "found"),
    [(["0", "1"], 1, "1"), (["5", "3"], 0, "5"), (["0"], 1, "0")],
)
def test_every_lane_has_its_own_gpu(
    names: list[str], busy: int, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes = _lanes(tmp_path / "lanes", 2)
    monkeypatch.setenv(LANES, str(tmp_path / "lanes"))
    monkeypatch.setenv(CHOICE, "what the step changes is put back")
    monkeypatch.setattr(edge, "gpus", lambda: names)

    with contextlib.ExitStack() as stack:
        for path in lanes[:busy]:
            fcntl.flock(stack.enter_context(path.open()), fcntl.LOCK_EX | fcntl.LOCK_NB)
        _run(tmp_path / "one", function="chosen")

    assert (tmp_path / "one" / "gpu").read_text() == found


def test_what_is_done_already_waits_for_no_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes = _lanes(tmp_path / "lanes", 2)
    monkeypatch.setenv(LANES, str(tmp_path / "lanes"))
    _run(tmp_path / "one")

    with contextlib.ExitStack() as stack:
        for path in lanes:
            fcntl.flock(stack.enter_context(path.open()), fcntl.LOCK_EX | fcntl.LOCK_NB)
        _run(tmp_path / "two")

    assert CALLS == ["1"]
