"""Runs of a schedule outlive its changes: they are found, and counted."""

import json

import pytest
from conftest import Defectory
from kfp_backend import Backend
from recurring import in_the_ui, only, started

NIGHTLY = ("nightly", "--cron", "0 3 * * *")


def _changed_while_paused(deployed: Backend, schedule: Defectory) -> dict[str, str]:
    """A run that goes on of a schedule that was changed meanwhile; the run."""
    schedule("create", *NIGHTLY)
    run = started(deployed)
    done = schedule("change", "nightly", "--cron", "0 4 * * *", "--paused")
    assert done.code == 0, done.err
    assert run["recurring_run_id"] not in deployed.recurring
    return run


def test_a_changed_schedule_is_not_resumed_beside_the_run_before(
    deployed: Backend, schedule: Defectory
) -> None:
    run = _changed_while_paused(deployed, schedule)

    refused = schedule("resume", "nightly")
    still = only(deployed)["status"]
    run["state"] = "SUCCEEDED"
    done = schedule("resume", "nightly")

    assert refused.code == 2
    assert run["run_id"] in refused.err
    assert "--while-running" in refused.err
    assert still == "DISABLED"
    assert done.code == 0, done.err
    assert only(deployed)["status"] == "ENABLED"


def test_it_can_be_resumed_all_the_same(deployed: Backend, schedule: Defectory) -> None:
    _changed_while_paused(deployed, schedule)

    assert schedule("resume", "nightly", "--while-running").code == 0
    assert only(deployed)["status"] == "ENABLED"


def test_several_changes_do_not_hide_the_run(deployed: Backend, schedule: Defectory) -> None:
    _changed_while_paused(deployed, schedule)
    for hour in (5, 6):
        assert schedule("change", "nightly", "--cron", f"0 {hour} * * *", "--paused").code == 0

    assert schedule("resume", "nightly").code == 2


def test_a_paused_schedule_is_resumed_beside_its_own_run(
    deployed: Backend, schedule: Defectory
) -> None:
    schedule("create", *NIGHTLY)
    started(deployed)
    schedule("pause", "nightly")

    done = schedule("resume", "nightly")

    assert done.code == 0, "KFP counts the runs of a schedule itself"
    assert only(deployed)["status"] == "ENABLED"


def test_a_schedule_is_not_made_anew_beside_a_run_of_one_that_was_removed(
    deployed: Backend, schedule: Defectory
) -> None:
    schedule("create", *NIGHTLY)
    run = started(deployed)
    schedule("delete", "nightly")

    refused = schedule("create", *NIGHTLY)
    nothing = dict(deployed.recurring)
    paused = schedule("create", *NIGHTLY, "--paused")
    schedule("delete", "nightly")
    wanted = schedule("create", *NIGHTLY, "--while-running")

    assert refused.code == 2
    assert run["run_id"] in refused.err
    assert "--paused" in refused.err
    assert nothing == {}
    assert (paused.code, wanted.code) == (0, 0)


def test_a_run_of_another_schedule_is_in_nobodys_way(
    deployed: Backend, schedule: Defectory
) -> None:
    schedule("create", "nightly-2", "--cron", "0 3 * * *")
    started(deployed)
    other = in_the_ui(deployed, "nightly\u00e4")
    started_by_it = dict(next(iter(deployed.runs.values())))
    deployed.runs["another"] = started_by_it | {
        "run_id": "another",
        "recurring_run_id": other["recurring_run_id"],
        "display_name": "nightlyx7k2p-1-2166136261",
    }

    assert schedule("create", *NIGHTLY).code == 0


@pytest.mark.parametrize("left", ["changed", "removed", "made anew"])
def test_the_runs_of_a_schedule_outlive_its_changes(
    deployed: Backend, schedule: Defectory, defectory: Defectory, left: str
) -> None:
    schedule("create", *NIGHTLY)
    runs = [started(deployed, "SUCCEEDED"), started(deployed, "FAILED")]
    for hour in (4, 5):
        assert schedule("change", "nightly", "--cron", f"0 {hour} * * *").code == 0
        runs.append(started(deployed, "SUCCEEDED"))
    if left != "changed":
        schedule("delete", "nightly")
    if left == "made anew":
        assert schedule("create", *NIGHTLY).code == 0

    def ids(*words: str) -> list[str]:
        done = defectory(
            "runs", "--endpoint", deployed.url, "--schedule", "nightly", "--json", *words
        )
        assert done.code == 0, done.err
        return [one["id"] for one in json.loads(done.out)]

    newest_first = [run["run_id"] for run in reversed(runs)]
    assert ids() == newest_first
    assert ids("--limit", "2") == newest_first[:2]
    assert ids("--state", "failed") == [runs[1]["run_id"]]
