"""Logs of a run that goes on."""

from pathlib import Path

import pytest
from argo import nodes, pod
from conftest import Defectory, kubeconfig, set_kubeconfig
from example import (
    DATA,
    PAGE,
    PREEMPTION,
    PRINTED,
    TRAINED,
    WORKFLOW,
    detailed,
    ends,
    pod_of,
    texts,
)
from kfp_backend import Backend


def test_a_run_is_followed_into_steps_that_start_later(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    waits = pod_of(run, f"{TRAINED[0]}(0)", "step 1\nstep 2\n", "Pending")
    waits["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "message": f"1 Insufficient cpu.{PREEMPTION}"}
    ]
    early = [pod_of(run, f"{DATA}(0)", "36 photos\n"), waits]
    late = [early[0], pod_of(run, f"{TRAINED[0]}(0)", "step 1\nstep 2\n", "Running")]
    cluster.pods["kubeflow"] = early
    cluster.change_after(r"GET /api/v1/.*/pods$", 2, lambda: cluster.pods.update(kubeflow=late))

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert [line.split(" (")[0] for line in done.out.splitlines()] == [
        "== data-versioning", "36 photos", "== mask-rcnn", "step 1", "step 2",
    ]  # fmt: skip
    assert done.err == "mask-rcnn waits: 1 Insufficient cpu.\n"


def test_only_one_step_is_followed_all_its_tries(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    tries = [
        pod_of(run, f"{TRAINED[1]}(0)", "taken away\n", "Failed"),
        pod_of(run, f"{TRAINED[1]}(1)", "goes on\n", "Running"),
    ]
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "36 photos\n"), tries[0]]
    later = [*cluster.pods["kubeflow"], tries[1]]
    cluster.change_after(r"GET /api/v1/.*/pods$", 2, lambda: cluster.pods.update(kubeflow=later))

    done = defectory("logs", run["run_id"], "mask_rcnn", "--follow", "--endpoint", cluster.url)

    assert done.out.splitlines()[1::2] == ["taken away", "goes on"]
    assert "try 2" in done.out.splitlines()[2]


def test_a_pod_that_was_made_again_under_its_name_is_read_too(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    again = [pod_of(run, f"{DATA}(0)", "continues\n", "Running")]
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "starts\n", "Running")]
    cluster.change_after(r"GET /api/v1/.*/pods$", 3, lambda: cluster.pods.update(kubeflow=again))

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.out.splitlines()[1::2] == ["starts", "continues"]


def test_a_container_that_starts_after_its_pod_is_read_later(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "36 photos\n", "Running")]
    cluster.fail(r"GET /api/v1/.*/log", 400, "container main is waiting to start", times=1)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.out.splitlines()[1:] == ["36 photos"]


def test_a_log_that_cannot_be_followed_does_not_hide_the_others(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [
        pod_of(run, f"{DATA}(0)", "36 photos\n"),
        pod_of(run, f"{TRAINED[0]}(0)", "step 1\n"),
    ]
    cluster.fail(r"GET /api/v1/.*/log", 404, "no such pod", times=1)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    first, other = done.out.splitlines()[1::2]
    assert first.startswith("-- ")
    assert other in ("36 photos", "step 1")


def test_what_goes_on_is_followed_through_kubernetes_only(
    backend: Backend, defectory: Defectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_kubeconfig(monkeypatch, tmp_path / "none")
    run = detailed(backend)
    backend.logs = {pod(WORKFLOW, f"{DATA}(0)"): "36 photos\n"}
    words = ("logs", run["run_id"], "data-versioning", "--follow", "--endpoint", backend.url)

    going = defectory(*words)
    run["state"] = "SUCCEEDED"
    ended = defectory(*words)

    assert going.code == 3
    assert "cannot be followed: no Kubernetes configured here" in going.err
    assert f"defectory runs {run['run_id']} --wait" in going.err
    assert ended.code == 0, ended.err
    assert "36 photos" in ended.out


def test_a_step_that_never_comes_is_not_waited_for(cluster: Backend, defectory: Defectory) -> None:
    run = detailed(cluster)

    done = defectory("logs", run["run_id"], "mask_cnn", "--follow", "--endpoint", cluster.url)

    assert done.code == 2
    assert "mask_rcnn" in done.err


def test_pods_that_have_ended_are_read_once_and_not_followed(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "36 photos\n")]

    defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert cluster.asked("GET", r"/api/v1/.*/log") == 1
    assert cluster.asked("GET", r"/api/v1/.*/log\?.*follow") == 0


def test_kubernetes_may_be_away_for_a_while(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "36 photos\n")]
    cluster.fail(r"GET /api/v1/.*/pods$", 503, "no quorum", times=3)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert texts(done.out) == ["36 photos"]
    first, why, last = done.err.splitlines()
    assert first == "Kubernetes  does not answer, trying on"
    assert "HTTP 503" in why
    assert last == "Kubernetes  answers again"


def test_kubernetes_may_not_be_away_for_ever(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.operator import follow

    monkeypatch.setattr(follow, "PAUSE", 0.01)
    monkeypatch.setattr(follow, "PATIENCE", 0.1)
    run = detailed(cluster)
    cluster.fail(r"GET /api/v1/.*/pods$", 503, "no quorum", times=10**6)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 3
    assert "cannot be followed: Kubernetes: cannot be reached (HTTP 503)" in done.err


def test_a_kubernetes_that_never_answered_is_not_waited_for(
    backend: Backend, defectory: Defectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(tmp_path / "config", "http://127.0.0.1:9")
    set_kubeconfig(monkeypatch, tmp_path / "config")
    run = detailed(backend)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", backend.url)

    assert done.code == 3
    assert "cannot be followed: Kubernetes: cannot be reached" in done.err


def test_where_there_are_no_pods_it_is_said_where_they_were_looked_for(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "36 photos\n")]

    done = defectory(
        "logs", run["run_id"], "--follow", "--endpoint", cluster.url, "--namespace", "kubefolw"
    )

    assert done.code == 3
    told, ended = done.err.splitlines()
    assert f"no pods of the run in namespace 'kubefolw' of {cluster.url}" in told
    assert "check --namespace" in told
    assert "nothing of the run was read" in ended
    assert "'kubefolw'" in ended


def test_what_kubernetes_never_had_is_read_through_kfp_in_the_end(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.archived = {pod(WORKFLOW, f"{TRAINED[0]}(0)"): "trained\n"}
    words = ("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    nowhere = defectory(*words)
    run["state"] = "RUNNING"
    ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "36 photos\n")]
    beside = defectory(*words)

    assert (nowhere.code, beside.code) == (0, 0), nowhere.err + beside.err
    assert texts(nowhere.out) == ["trained"]
    assert texts(beside.out) == ["36 photos", "trained"]


def test_a_run_that_is_not_taken_up_has_no_pods_yet(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = detailed(cluster)
    del run["state"]
    ends(cluster, run, monkeypatch)
    later = {"state": "RUNNING"}
    cluster.scripts[run["run_id"]] = [{}, {}, {}, {}, later, later, {"state": "SUCCEEDED"}]
    pods = [pod_of(run, f"{DATA}(0)", "36 photos\n")]
    cluster.change_after(r"GET /api/v1/.*/pods$", 6, lambda: cluster.pods.update(kubeflow=pods))

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert texts(done.out) == ["36 photos"]
    told = done.err.splitlines()
    assert len(told) == 1, told
    assert "has not been taken up yet" in told[0]


@pytest.mark.parametrize(
    ("state", "code", "said"), [("SUCCEEDED", 0, "from the cache"), ("FAILED", 3, "never came")]
)
def test_a_run_without_pods_of_its_steps_has_nothing_to_read(
    cluster: Backend,
    defectory: Defectory,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    code: int,
    said: str,
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    cluster.scripts[run["run_id"]][-1] = {"state": state}
    skipped = {f"{name}(0)": ("Skipped", "") for name in (DATA, *TRAINED)}
    graph = {name: [] for name in skipped}
    cluster.workflows[run["run_id"]] = {"status": {"nodes": nodes(WORKFLOW, graph, skipped)}}

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.code == code
    assert said in done.err


@pytest.mark.parametrize("follows", [True, False])
def test_a_web_page_is_no_list_of_pods(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch, follows: bool
) -> None:
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)
    run["run_details"] = {"task_details": []}
    cluster.answer(r"GET /api/v1/.*/pods$", PAGE, "text/html")
    words = ("--follow",) if follows else ()

    done = defectory("logs", run["run_id"], *words, "--endpoint", cluster.url)

    assert done.code == 3
    assert f"{cluster.url} answered with something that is not Kubernetes" in done.err
    assert "Traceback" not in done.err


def test_an_error_that_nobody_thought_of_is_no_success(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.operator import tail

    def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(tail, "listed", broken)
    run = detailed(cluster)
    ends(cluster, run, monkeypatch)

    with pytest.raises(ZeroDivisionError):
        defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)


def test_who_stops_following_is_told_that_the_run_goes_on(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.operator import tail

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tail, "listed", interrupted)
    run = detailed(cluster)
    words = ("logs", run["run_id"], "--endpoint", cluster.url, "--follow")

    all_of_it = defectory(*words)
    part = defectory("logs", run["run_id"], "mask_rcnn", *words[2:], "--whole", "--tail", "5")

    assert (all_of_it.code, part.code) == (130, 130)
    told = f"The run goes on; defectory logs {run['run_id']}"
    assert f"{told} --follow follows it" in all_of_it.err
    assert f"{told} mask_rcnn --follow --tail 5 --whole follows it" in part.err


def test_the_last_lines_of_a_run_that_has_ended_are_as_many_as_asked_for(
    backend: Backend, defectory: Defectory
) -> None:
    run = detailed(backend)
    run["state"] = "SUCCEEDED"
    backend.logs = {pod(WORKFLOW, f"{DATA}(0)"): PRINTED}

    done = defectory(
        "logs", run["run_id"], "data-versioning", "--follow", "--tail", "2",
        "--endpoint", backend.url,
    )  # fmt: skip

    assert texts(done.out) == ["step 9", "step 10"]
