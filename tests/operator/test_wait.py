"""Waiting for a run."""

import pytest
from argo import nodes, tasks
from conftest import Defectory
from kfp_backend import Backend

WORKFLOW = "defectory-valvano-x7k2p"


STEPS = f"{WORKFLOW}.root"


def _details(state: str) -> dict[str, object]:
    first = f"{STEPS}.data-versioning"
    return tasks(
        WORKFLOW,
        {
            WORKFLOW: [f"{WORKFLOW}.root-driver"],
            f"{WORKFLOW}.root-driver": [STEPS],
            STEPS: [f"{first}-driver"],
            f"{first}-driver": [first],
            first: [f"{first}.executor"],
            f"{first}.executor": [],
        },
        {first: state, f"{first}.executor": state},
    )


def test_waiting_shows_progress_and_ends_with_the_run(
    deployed: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _quick(monkeypatch)
    deployed.next_script = [
        {"state": "RUNNING", "run_details": _details("RUNNING")},
        {},
        {
            "state": "SUCCEEDED",
            "run_details": _details("SUCCEEDED"),
            "finished_at": "2026-11-01T01:02:03Z",
        },
    ]

    done = defectory("submit", "--endpoint", deployed.url, "--wait")

    assert done.code == 0, done.err
    lines = [line.split(None, 1)[-1] for line in done.out.splitlines()]
    assert lines.index("data-versioning  running") < lines.index("data-versioning  succeeded")
    assert done.out.count("data-versioning  running") == 1
    assert "driver" not in done.out
    assert "succeeded after 1:0" in done.out


def test_waiting_for_a_run_that_fails_names_the_step(
    deployed: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _quick(monkeypatch)
    deployed.next_script = [{"state": "FAILED", "run_details": _details("FAILED")}]

    done = defectory("submit", "--endpoint", deployed.url, "--wait")

    assert done.code == 1
    assert "data-versioning" in done.err
    assert "defectory logs" in done.err


def test_waiting_for_a_run_that_fails_says_why(
    deployed: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _quick(monkeypatch)
    deployed.next_script = [{"state": "FAILED", "run_details": _details("FAILED")}]
    name = "defectory-valvano-x7k2p(0).gate(0).executor(0)"
    told = {name: ("Failed", "main: OOMKilled (exit code 137)")}
    deployed.next_workflow = {
        "status": {"nodes": nodes("defectory-valvano-x7k2p", {name: []}, told)}
    }

    done = defectory("submit", "--endpoint", deployed.url, "--wait")

    assert "  gate: main: OOMKilled (exit code 137)\n" in done.err


def test_waiting_says_what_a_step_waits_for(
    deployed: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _quick(monkeypatch)
    deployed.next_script = [
        {"state": "RUNNING", "run_details": _details("RUNNING")},
        {"state": "SUCCEEDED"},
    ]
    name = f"{STEPS}.data-versioning"
    told = {name: ("Running", ""), f"{name}.executor": ("Pending", "ImagePullBackOff: no such tag")}
    deployed.next_workflow = {
        "status": {"nodes": nodes(WORKFLOW, {name: [], f"{name}.executor": []}, told)}
    }

    done = defectory("submit", "--endpoint", deployed.url, "--wait")

    assert "data-versioning  waiting: ImagePullBackOff: no such tag\n" in done.out
    assert "running" not in done.out


def test_waiting_survives_a_server_that_is_away_for_a_while(
    deployed: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _quick(monkeypatch)
    deployed.next_script = [{"state": "RUNNING"}, {"state": "SUCCEEDED"}]
    deployed.fail(r"GET .*/runs/", 503, times=2)

    done = defectory("submit", "--endpoint", deployed.url, "--wait")

    assert done.code == 0, done.err
    assert "trying on" in done.out
    assert "answers again" in done.out


@pytest.mark.parametrize(
    ("trouble", "why"), [("page", "whether a login page is in between"), ("503", "is not ready")]
)
def test_waiting_in_vain_says_why_after_a_few_looks(
    deployed: Backend,
    defectory: Defectory,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
    why: str,
) -> None:
    _quick(monkeypatch)
    if trouble == "page":
        deployed.answer(r"GET .*/runs/", b"<html><title>Log in</title></html>", "text/html")
        deployed.faults[-1].times = 6
    else:
        deployed.fail(r"GET .*/runs/", 503, times=20)
    deployed.next_script = [{"state": "RUNNING"}, {"state": "SUCCEEDED"}]

    done = defectory("submit", "--endpoint", deployed.url, "--wait")

    assert done.code == 0, done.err
    assert done.out.count(why) == 1
    assert done.out.index("trying on") < done.out.index(why) < done.out.index("answers again")


def test_a_token_that_expires_while_waiting_does_not_lose_the_run(
    deployed: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _quick(monkeypatch)
    deployed.fail(r"GET .*/runs/", 401)

    done = defectory("submit", "--endpoint", deployed.url, "--wait")

    assert done.code == 3
    (run,) = deployed.runs.values()
    assert f"defectory runs {run['run_id']} --wait" in done.err


def test_a_cancelled_run_ends_the_waiting(
    deployed: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _quick(monkeypatch)
    deployed.next_script = [{"state": "CANCELED"}]

    assert defectory("submit", "--endpoint", deployed.url, "--wait").code == 1


def test_waiting_can_be_limited(
    deployed: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _quick(monkeypatch)

    done = defectory("submit", "--endpoint", deployed.url, "--wait", "--timeout", "0.001")

    assert done.code == 4
    assert "still going on" in done.err


def test_waiting_is_limited_while_the_server_is_away_too(
    deployed: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _quick(monkeypatch)
    deployed.fail(r"GET .*/runs/", 503, times=10**6)

    done = defectory("submit", "--endpoint", deployed.url, "--wait", "--timeout", "0.001")

    assert done.code == 4
    assert "still going on" in done.err


def test_a_limit_without_waiting_is_refused(deployed: Backend, defectory: Defectory) -> None:
    done = defectory("submit", "--endpoint", deployed.url, "--timeout", "5")

    assert done.code == 2
    assert "--timeout 5" in done.err
    assert "--wait" in done.err
    assert deployed.requests == []


@pytest.mark.parametrize("minutes", ["-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(
    deployed: Backend, defectory: Defectory, minutes: str
) -> None:
    done = defectory("submit", "--endpoint", deployed.url, "--wait", f"--timeout={minutes}")

    assert done.code == 2
    assert f"--timeout {minutes}" in done.err
    assert deployed.requests == []


def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.operator import follow

    monkeypatch.setattr(follow, "PAUSE", 0.01)
