"""Logs that break off, fall silent or cannot be opened while they are followed."""

import threading

import pytest
from argo import pod
from conftest import Defectory
from example import (
    DATA,
    PAGE,
    PRINTED,
    TRAINED,
    WORKFLOW,
    detailed,
    ends,
    pod_of,
    pods_end,
    quickly,
    texts,
)
from kfp_backend import Backend
from kube_backend import Break


@pytest.mark.parametrize(
    "how",
    [
        Break(after=4, cut=True),
        Break(after=4, half="step", cut=True),
        Break(after=4),
        Break(after=0),
        Break(after=4, half="2026-11-01T00:00:01.333333789Z st"),
    ],
    ids=["cut", "cut in a line", "ended", "empty", "ended in a line"],
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_log_that_ends_before_its_pod_is_read_on(
    cluster: Backend,
    defectory: Defectory,
    monkeypatch: pytest.MonkeyPatch,
    how: Break,
    times: int,
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", PRINTED, "Running")]
    cluster.break_off(r"GET /api/v1/.*/log", how, times)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert texts(done.out) == PRINTED.splitlines()


def test_an_error_in_between_loses_nothing(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", PRINTED, "Running")]
    cluster.break_off(r"GET /api/v1/.*/log", Break(after=4))
    cluster.fail(r"GET /api/v1/.*/log", 500, "the node is away", times=3)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert texts(done.out) == PRINTED.splitlines()


def test_a_log_that_grows_is_read_to_its_end(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    grown = [pod_of(run, f"{DATA}(0)", PRINTED, "Running")]
    cluster.pods["kubeflow"] = [grown[0] | {"log": "step 1\nstep 2\nst"}]
    cluster.change_after(r"GET /api/v1/.*/pods$", 3, lambda: cluster.pods.update(kubeflow=grown))

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert texts(done.out) == PRINTED.splitlines()


def test_a_line_that_a_step_says_again_is_said_again(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "again\n\nagain\n" * 4, "Running")]
    cluster.break_off(r"GET /api/v1/.*/log", Break(after=5, cut=True), times=2)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert texts(done.out) == ["again", "", "again"] * 4


def test_only_the_last_lines_are_where_following_begins(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", PRINTED, "Running")]
    cluster.break_off(r"GET /api/v1/.*/log", Break(after=1, cut=True))

    done = defectory("logs", run["run_id"], "--follow", "--tail", "3", "--endpoint", cluster.url)

    assert texts(done.out) == ["step 8", "step 9", "step 10"]


def test_a_connection_that_is_dead_is_given_up_and_the_log_read(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.operator import log, tail

    monkeypatch.setattr(log, "SILENCE", 600.0)
    monkeypatch.setattr(tail, "LAST_WORDS", 0.3)
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    over = threading.Event()
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", PRINTED, "Running")]
    cluster.break_off(r"GET /api/v1/.*/log", Break(after=4, dead=over))

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)
    over.set()

    assert done.code == 0, done.err
    assert texts(done.out) == PRINTED.splitlines()


def test_a_silent_connection_is_opened_again(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.operator import follow, log

    monkeypatch.setattr(log, "SILENCE", 0.2)
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    monkeypatch.setattr(follow, "PAUSE", 0.1)
    cluster.scripts[run["run_id"]] = [{}] * 8 + [{"state": "SUCCEEDED"}]
    over = threading.Event()
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", PRINTED, "Running")]
    cluster.break_off(r"GET /api/v1/.*/log", Break(after=4, dead=over), times=2)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)
    over.set()

    assert done.code == 0, done.err
    assert texts(done.out) == PRINTED.splitlines()
    assert cluster.asked("GET", r"/log\?.*follow=true.*sinceTime=2026-11-01T00%3A00%3A0") > 0


def test_what_stays_unread_is_told(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [
        pod_of(run, f"{DATA}(0)", PRINTED, "Running"),
        pod_of(run, f"{TRAINED[0]}(0)", "trained\n"),
    ]
    name = cluster.pods["kubeflow"][0]["metadata"]["name"]
    cluster.break_off(rf"GET /api/v1/.*{name}/log", Break(after=4, cut=True))
    cluster.fail(rf"GET /api/v1/.*{name}/log", 500, "the node is away", times=10**6)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 3
    assert {"step 4", "trained"} <= set(texts(done.out))
    assert "not everything was read" in done.err
    assert "data-versioning" in done.err
    assert "HTTP 500" in done.err
    assert f"defectory logs {run['run_id']}" in done.err
    assert "mask-rcnn" not in done.err


def test_a_pod_that_was_taken_away_while_its_log_was_cut_is_told(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", PRINTED, "Running")]
    cluster.break_off(r"GET /api/v1/.*/log", Break(after=4, cut=True), times=10**6)
    cluster.change_after(r"GET /api/v1/.*/pods$", 3, lambda: cluster.pods.update(kubeflow=[]))

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 3
    assert "data-versioning: " in done.err


@pytest.mark.parametrize("times", [2, 10**6])
def test_kubernetes_may_be_away_when_the_run_ends(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", PRINTED, "Running")]
    cluster.break_off(r"GET /api/v1/.*/log", Break(after=4), times=10**6)

    def away() -> None:
        cluster.faults.clear()
        pods_end(cluster)
        cluster.fail(r"GET /api/v1/.*/pods$", 503, "no quorum", times=times)

    cluster.change_after(rf"GET /apis/v2beta1/runs/{run['run_id']}$", 5, away)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert (done.code, "HTTP 503" in done.err) == ((0, False) if times == 2 else (3, True))
    if times == 2:
        assert texts(done.out) == PRINTED.splitlines()
    else:
        assert "not everything was read" in done.err


def test_a_log_that_stalls_is_given_up_unless_it_is_followed(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.operator import logs

    monkeypatch.setattr(logs, "PATIENCE", 0.2)
    run = detailed(cluster)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "36 photos\n", "Running")]
    cluster.dawdle(r"GET /api/v1/.*/log", 1.0)
    words = ("logs", run["run_id"], "--endpoint", cluster.url)

    done = defectory(*words)
    ends(cluster, run, monkeypatch)
    followed = defectory(*words, "--follow")

    assert done.code == 3
    assert "cannot be reached" in done.out
    assert followed.code == 0, followed.err
    assert "36 photos" in followed.out


def test_a_web_page_is_no_log(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "36 photos\n", "Running")]
    cluster.answer(r"GET /api/v1/.*/log", PAGE, "text/html")

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 3
    assert "<html>" not in done.out
    assert "not Kubernetes" in done.err


def test_a_pod_that_is_gone_before_its_log_is_opened_is_told_once(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "36 photos\n", "Running")]
    cluster.fail(r"GET /api/v1/.*/log", 404, "no such pod", times=2)

    again = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)
    run["state"] = "RUNNING"
    cluster.pods["kubeflow"][0]["status"]["phase"] = "Running"
    ends(cluster, run, monkeypatch)
    cluster.fail(r"GET /api/v1/.*/log", 404, "no such pod", times=10**6)
    gone = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert again.code == 0, again.err
    assert texts(again.out) == ["36 photos"]
    assert gone.code == 3
    assert len(texts(gone.out)) == 1
    assert "has no such pod" in gone.err


def test_what_a_step_says_after_its_run_has_ended_is_read_too(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.operator import tail

    quickly(monkeypatch)
    run = detailed(cluster)
    cluster.scripts[run["run_id"]] = [{}, {"state": "FAILED"}]
    running = pod_of(run, f"{DATA}(0)", PRINTED, "Running")
    cluster.pods["kubeflow"] = [running | {"log": "step 1\nstep 2\n"}]
    ended = [running | {"status": {"phase": "Failed"}}]
    looks = tail.TRIES + 5
    cluster.change_after(
        r"GET /api/v1/.*/pods$", looks, lambda: cluster.pods.update(kubeflow=ended)
    )

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert texts(done.out) == PRINTED.splitlines()


def test_a_pod_that_runs_on_long_after_its_run_is_told(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.operator import tail

    quickly(monkeypatch)
    monkeypatch.setattr(tail, "ENDING", 0.2)
    run = detailed(cluster)
    cluster.scripts[run["run_id"]] = [{}, {"state": "FAILED"}]
    cluster.pods["kubeflow"] = [
        pod_of(run, f"{DATA}(0)", "36 photos\n"),
        pod_of(run, f"{TRAINED[0]}(0)", "trained\n", "Running"),
    ]

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 3
    assert sorted(texts(done.out)) == ["36 photos", "trained"]
    assert "mask-rcnn: the pod still runs" in done.err
    assert "data-versioning" not in done.err


def test_a_pod_that_was_only_seen_waiting_is_read_through_kfp(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    data = pod_of(run, f"{DATA}(0)", "36 photos\n", "Running")
    cluster.pods["kubeflow"] = [data, pod_of(run, f"{TRAINED[0]}(0)", "", "Pending")]
    cluster.archived = {pod(WORKFLOW, f"{TRAINED[0]}(0)"): "trained\n"}
    cluster.change_after(r"GET /api/v1/.*/pods$", 3, lambda: cluster.pods.update(kubeflow=[data]))

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert texts(done.out) == ["36 photos", "trained"]
