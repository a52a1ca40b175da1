import json

import pytest
from argo import nodes, packed, pod, retried, tasks
from conftest import Defectory
from example import (
    DRIVER,
    FULL,
    HANDLER,
    REPORT,
    TRAINED,
    WORKFLOW,
    detailed,
    graph,
    run_of,
    waiting,
)
from kfp_backend import Backend


def test_runs_are_listed_over_all_pages_newest_first(
    backend: Backend, defectory: Defectory
) -> None:
    for number in range(5):
        run_of(backend, number, "SUCCEEDED", finished_at="2026-11-01T01:00:00Z")

    done = defectory("runs", "--endpoint", backend.url)

    lines = done.out.splitlines()
    assert "BEGAN (UTC)" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == [f"{n:08x}" for n in (4, 3, 2, 1, 0)]
    assert all(f"{backend.url}/#/runs/details/" in line for line in lines[1:])
    assert "59:5" in lines[1]


def test_no_more_pages_are_read_than_needed(backend: Backend, defectory: Defectory) -> None:
    for number in range(9):
        run_of(backend, number, "SUCCEEDED")

    defectory("runs", "--endpoint", backend.url, "--limit", "2")

    assert backend.asked("GET", r"/runs\?") == 1


def test_runs_are_chosen_by_state_and_schedule(backend: Backend, defectory: Defectory) -> None:
    backend.recurring["r"] = {
        "recurring_run_id": "r", "display_name": "nightly", "namespace": "", "status": "ENABLED",
        "created_at": backend.now(),
    }  # fmt: skip
    run_of(backend, 1, "FAILED", recurring_run_id="r")
    run_of(backend, 2, "SUCCEEDED", recurring_run_id="r")
    run_of(backend, 3, "FAILED")
    run_of(backend, 4, "FAILED", storage_state="ARCHIVED")

    def ids(*words: str) -> list[str]:
        done = defectory("runs", "--endpoint", backend.url, "--json", *words)
        return [one["id"][7] for one in json.loads(done.out)]

    assert ids() == ["3", "2", "1"]
    assert ids("--state", "failed") == ["3", "1"]
    assert ids("--schedule", "nightly") == ["2", "1"]
    assert defectory("runs", "--endpoint", backend.url, "--schedule", "x").code == 2


def test_a_run_that_goes_on_has_no_end(backend: Backend, defectory: Defectory) -> None:
    run_of(backend, 1, "RUNNING")

    done = defectory("runs", "--endpoint", backend.url, "--json")

    (run,) = json.loads(done.out)
    assert run["ended"] is None
    assert run["state"] == "RUNNING"


def test_one_run_is_shown_with_its_steps(backend: Backend, defectory: Defectory) -> None:
    detailed(backend)

    done = defectory("runs", "00000007", "--endpoint", backend.url)

    assert done.code == 0, done.err
    steps = [line.split() for line in done.out.splitlines() if line.startswith("  ")]
    assert steps == [
        ["data-versioning", "succeeded"], ["report", "omitted"],
        ["mask-rcnn", "running", "1", "of", "2"],
    ]  # fmt: skip


def test_a_run_is_found_by_name_unless_there_are_several(
    backend: Backend, defectory: Defectory
) -> None:
    run_of(backend, 1, "SUCCEEDED", display_name="weekly")
    run_of(backend, 2, "SUCCEEDED")

    assert defectory("runs", "weekly", "--endpoint", backend.url).code == 0
    run_of(backend, 3, "SUCCEEDED", display_name="weekly")
    unclear = defectory("runs", "weekly", "--endpoint", backend.url)
    assert unclear.code == 2
    assert "00000003-" in unclear.err


def test_a_run_can_be_followed_later(backend: Backend, defectory: Defectory) -> None:
    run_of(backend, 1, "FAILED")

    assert defectory("runs", "00000001", "--wait", "--endpoint", backend.url).code == 1


def test_steps_are_known_after_argo_has_packed_the_workflow(
    backend: Backend, defectory: Defectory
) -> None:
    run = detailed(backend)
    ended = nodes(WORKFLOW, graph(), {REPORT: ("Omitted", "")})
    backend.workflows[run["run_id"]] = {"status": {"compressedNodes": packed(ended)}}

    done = defectory("runs", run["run_id"], "--endpoint", backend.url)

    lines = [line.split() for line in done.out.splitlines()[3:]]
    assert lines == [
        ["data-versioning", "succeeded"],
        ["report", "omitted"],
        ["mask-rcnn", "succeeded", "2", "of", "2"],
    ]


def test_a_step_whose_pod_waits_does_not_run(backend: Backend, defectory: Defectory) -> None:
    run = waiting(backend)
    words = ("runs", run["run_id"], "--endpoint", backend.url)

    shown = defectory(*words)
    told = json.loads(defectory(*words, "--json").out)

    (line,) = [one for one in shown.out.splitlines() if "mask-rcnn" in one]
    assert line.split(None, 1)[1] == f"running  0 of 2, 1 waiting: {FULL}"
    assert sorted(told["steps"]["mask-rcnn"]) == ["PENDING", "RUNNING"]


@pytest.mark.parametrize("message", [FULL, "PodInitializing", ""])
def test_a_driver_is_told_of_only_where_it_finds_no_place(
    backend: Backend, defectory: Defectory, message: str
) -> None:
    run = run_of(backend, 9, "RUNNING")
    graph = {**retried(WORKFLOW, [DRIVER]), **retried(DRIVER, [])}
    told = {name: ("Running", "") for name in (WORKFLOW, f"{WORKFLOW}(0)", DRIVER)}
    told[f"{DRIVER}(0)"] = ("Pending", message)
    run["run_details"] = tasks(WORKFLOW, graph, {})
    backend.workflows[run["run_id"]] = {"status": {"nodes": nodes(WORKFLOW, graph, told)}}

    done = defectory("runs", run["run_id"], "--endpoint", backend.url)

    assert (f"root-driver  waiting: {FULL}" in done.out) is (message == FULL)
    assert ("driver" in done.out) is (message == FULL)


def test_a_driver_that_failed_is_told_of_while_the_run_goes_on(
    backend: Backend, defectory: Defectory
) -> None:
    run = run_of(backend, 9, "RUNNING")
    step = f"{HANDLER}(0).hypernetwork"
    driver = f"{step}-driver"
    graph = {**retried(driver, [step]), f"{step}": []}
    told = {name: ("Failed", "main: Error (exit code 1)") for name in (driver, f"{driver}(0)")}
    told[step] = ("Omitted", "")
    run["run_details"] = tasks(WORKFLOW, graph, {})
    backend.workflows[run["run_id"]] = {"status": {"nodes": nodes(WORKFLOW, graph, told)}}

    done = defectory("runs", run["run_id"], "--endpoint", backend.url)

    shown = [line.split() for line in done.out.splitlines() if line.startswith("  ")]
    assert shown == [["hypernetwork-driver", "failed"], ["hypernetwork", "omitted"]]
    assert "why: hypernetwork-driver: main: Error (exit code 1)\n" in done.out
    assert f"defectory logs {run['run_id']} hypernetwork-driver" in done.out


def test_a_run_that_failed_says_why_once_for_all_tries(
    backend: Backend, defectory: Defectory
) -> None:
    run = run_of(backend, 9, "FAILED")
    tries: dict[str, list[str]] = {f"{DRIVER}({i})": [] for i in range(3)}
    told = {DRIVER: ("Error", "No more retries left")} | {
        name: ("Error", f'pods "{pod(WORKFLOW, name)}" is forbidden: no service account')
        for name in tries
    }
    found = nodes(WORKFLOW, {DRIVER: list(tries), **tries}, told)
    backend.workflows[run["run_id"]] = {"status": {"nodes": found}}

    shown = defectory("runs", run["run_id"], "--endpoint", backend.url)
    logs = defectory("logs", run["run_id"], "--endpoint", backend.url)

    assert shown.out.count("why: root-driver: pods") == 1
    assert "no service account" in shown.out
    assert logs.code == 3
    assert logs.err.count("no service account") == 1


def test_a_run_that_failed_says_what_the_step_said(backend: Backend, defectory: Defectory) -> None:
    run = run_of(backend, 9, "FAILED")
    gate = f"{HANDLER}(0).gate(0).executor(0)"
    told = {gate: ("Failed", "main: Error (exit code 1): 12 photos have no\nmask")}
    backend.workflows[run["run_id"]] = {"status": {"nodes": nodes(WORKFLOW, {gate: []}, told)}}

    done = defectory("runs", run["run_id"], "--endpoint", backend.url)

    assert "why: gate: 12 photos have no mask\n" in done.out
    assert "exit code" not in done.out


def test_a_run_that_failed_without_a_word_says_where_to_look(
    backend: Backend, defectory: Defectory
) -> None:
    run = run_of(backend, 9, "FAILED")
    step = f"{HANDLER}(0).gate"
    graph = {**retried(step, [f"{step}(0).executor(0)"]), f"{step}(0).executor(0)": []}
    dead = ("Failed", "main: Error (exit code 1)")
    told = {step: dead, f"{step}(0)": dead, f"{step}(0).executor(0)": dead}
    run["run_details"] = tasks(WORKFLOW, graph, dict.fromkeys(told, "FAILED"))
    backend.workflows[run["run_id"]] = {"status": {"nodes": nodes(WORKFLOW, graph, told)}}

    done = defectory("runs", run["run_id"], "--endpoint", backend.url)

    assert "why: gate: main: Error (exit code 1)\n" in done.out
    assert f"defectory logs {run['run_id']} gate" in done.out


def test_a_try_after_which_another_went_well_is_no_reason(
    backend: Backend, defectory: Defectory
) -> None:
    run = run_of(backend, 9, "FAILED")
    tries: dict[str, list[str]] = {f"{TRAINED[1]}({i})": [] for i in range(2)}
    told = {f"{TRAINED[1]}(0)": ("Error", "pod deleted")}
    found = nodes(WORKFLOW, {TRAINED[1]: list(tries), **tries}, told)
    backend.workflows[run["run_id"]] = {"status": {"nodes": found}}

    done = defectory("runs", run["run_id"], "--endpoint", backend.url)

    assert "pod deleted" not in done.out


def test_a_run_that_was_stopped_is_no_failure(backend: Backend, defectory: Defectory) -> None:
    history = [{"state": "RUNNING"}, {"state": "CANCELING"}, {"state": "FAILED"}]
    run_of(backend, 1, "FAILED", state_history=history)
    run_of(backend, 2, "FAILED", state_history=[{"state": "FAILED"}])

    def ids(state: str) -> list[str]:
        done = defectory("runs", "--endpoint", backend.url, "--json", "--state", state)
        return [f"{one['id'][7]} {one['state']}" for one in json.loads(done.out)]

    assert ids("canceled") == ["1 CANCELED"]
    assert ids("failed") == ["2 FAILED"]


def test_a_run_that_argo_has_not_taken_up_waits(deployed: Backend, defectory: Defectory) -> None:
    """KFP leaves its state out."""
    defectory("submit", "--endpoint", deployed.url)
    (run,) = deployed.runs.values()
    del run["state"]

    done = defectory("runs", "--endpoint", deployed.url)
    chosen = defectory("runs", "--endpoint", deployed.url, "--state", "pending")
    others = defectory("runs", "--endpoint", deployed.url, "--state", "running")

    assert done.code == 0, done.err
    assert " pending " in done.out
    assert chosen.out == done.out
    assert others.out == "no runs\n"


def test_no_more_is_asked_for_than_is_shown(deployed: Backend, defectory: Defectory) -> None:
    """A run is half a megabyte of an answer."""
    defectory("runs", "--endpoint", deployed.url, "--limit", "7")

    assert deployed.asked("GET", r"/runs\?.*page_size=7\b") == 1
