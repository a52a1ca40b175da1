import re
from pathlib import Path
from typing import Any

import pytest
from argo import nodes, pod
from conftest import Defectory, kubeconfig, set_kubeconfig
from example import (
    DATA,
    DRIVER,
    FULL,
    STEPS,
    TRAINED,
    WORKFLOW,
    detailed,
    graph,
    launched,
    pod_of,
    run_of,
    waiting,
)
from kfp_backend import Backend

PRINTED = """\
time=2026-11-01T00:00:00.671Z level=INFO msg="capturing logs" argo=true
I1101 00:00:00.794882      15 main.go:67] Setting log level to: '1'
[KFP Executor 2026-11-01 00:00:00,044 INFO]: Got executor_input:
{
    "inputs": {
        "parameterValues": {}
    }
}
36 photos
{
W1101 00:00:01.591751      16 launcher_v2.go:827] something is odd
W1101 00:00:01.591752      16 launcher_v2.go:827] Local filepath "/minio/metrics" does not exist
I1101 00:00:01.359804      15 launcher_v2.go:1230] ExecutorOutput: {
  "artifacts": {}
}
I1101 00:00:01.520024      15 launcher_v2.go:206] publish success.
"""


def test_logs_come_through_kfp_where_kubernetes_is_out_of_reach(
    backend: Backend, defectory: Defectory
) -> None:
    run = detailed(backend)
    backend.logs = {
        pod(WORKFLOW, f"{DATA}(0)"): "36 photos\n",
        pod(WORKFLOW, f"{TRAINED[0]}(0)"): "step 1\nstep 2\n",
        pod(WORKFLOW, f"{TRAINED[1]}(0)"): "taken away\n",
        pod(WORKFLOW, f"{TRAINED[1]}(1)"): "goes on\n",
    }

    done = defectory("logs", run["run_id"], "--endpoint", backend.url)

    assert done.code == 0, done.err
    lines = done.out.splitlines()
    heads = [line for line in lines if line.startswith("==")]
    assert len(heads) == 4
    assert lines[lines.index(heads[0]) + 1] == "36 photos"
    assert "iteration-iterations(1:1), try 2" in heads[3]
    assert lines[-1] == "goes on"


def test_logs_of_pods_that_are_gone_come_from_the_archive(
    backend: Backend, defectory: Defectory
) -> None:
    run = detailed(backend)
    backend.archived = {pod(WORKFLOW, f"{DATA}(0)"): "36 photos\n"}

    done = defectory("logs", run["run_id"], "data_versioning", "--endpoint", backend.url)

    assert done.code == 0, done.err
    assert "36 photos" in done.out


@pytest.mark.parametrize("named", [True, False])
def test_logs_of_pods_that_are_gone_are_among_the_artifacts_of_every_try(
    backend: Backend, defectory: Defectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    named: bool,
) -> None:  # fmt: skip
    run = detailed(backend)
    folder = "minio://mlpipeline/v2/artifacts/defectory-valvano/1/mask-rcnn/2"
    found = nodes(WORKFLOW, graph(), {})
    for node in found.values():
        if node["name"].startswith(TRAINED[1]) and node["type"] == "Pod":
            node["inputs"] = launched(f"{folder}/executor-logs")
    backend.workflows[run["run_id"]] = {"status": {"nodes": found}}
    backend.kept = {
        f"{folder}/executor-logs-0": "taken away\n", f"{folder}/executor-logs-1": "goes on\n",
    }  # fmt: skip
    kubeconfig(tmp_path / "config", backend.url)
    set_kubeconfig(monkeypatch, tmp_path / "config")
    words = ("logs", run["run_id"], "mask-rcnn", *(["--endpoint", backend.url] if named else []))

    both = defectory(*words)
    del backend.kept[f"{folder}/executor-logs-0"]
    one = defectory(*words)

    assert both.code == one.code == 0, "the other iteration's is nowhere"
    assert re.findall("taken away|goes on", both.out) == ["taken away", "goes on"]
    assert re.findall("taken away|goes on", one.out) == ["goes on"]
    assert one.out.count("left no log") == both.out.count("left no log") + 1 == 2


def test_logs_that_nobody_has_any_more(backend: Backend, defectory: Defectory) -> None:
    run = detailed(backend)

    done = defectory("logs", run["run_id"], "--endpoint", backend.url)

    assert done.code == 3
    assert "left no log" in done.out
    assert backend.url in done.err


def test_logs_of_a_step_that_is_not_there(backend: Backend, defectory: Defectory) -> None:
    run = detailed(backend)

    done = defectory("logs", run["run_id"], "mask_cnn", "--endpoint", backend.url)

    assert done.code == 2
    assert "mask-rcnn" in done.err


def test_the_logs_of_a_pod_that_waits_say_so_through_kfp(
    backend: Backend, defectory: Defectory
) -> None:
    run = waiting(backend)
    backend.logs = {pod(WORKFLOW, f"{TRAINED[0]}(0)"): "step 1\n"}

    done = defectory("logs", run["run_id"], "mask-rcnn", "--endpoint", backend.url)

    assert done.code == 0, done.err
    assert "step 1" in done.out
    assert f"(iteration-iterations(1:1), through KFP, Pending: {FULL})" in done.out
    assert "has not started yet" in done.out
    assert "left no log" not in done.out


def test_logs_are_those_of_the_step_unless_the_whole_is_wanted(
    cluster: Backend, defectory: Defectory
) -> None:
    run = detailed(cluster)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", PRINTED)]
    words = ("logs", run["run_id"], "--endpoint", cluster.url)

    own = defectory(*words)
    last = defectory(*words, "--tail", "2")
    whole = defectory(*words, "--whole")
    end = defectory(*words, "--whole", "--tail", "1")

    odd = "W1101 00:00:01.591751      16 launcher_v2.go:827] something is odd"
    assert own.out.splitlines()[1:] == ["36 photos", "{", odd]
    assert last.out.splitlines()[1:] == ["{", odd]
    assert whole.out.splitlines()[1:] == PRINTED.splitlines()
    assert end.out.splitlines()[1:] == PRINTED.splitlines()[-1:]


def test_a_driver_that_failed_is_read_too(cluster: Backend, defectory: Defectory) -> None:
    run = detailed(cluster)
    cluster.pods["kubeflow"] = [
        pod_of(run, f"{DRIVER}(0)", "no metadata store\n", "Failed"),
        pod_of(run, f"{STEPS[0]}-driver(0)", "all is well\n"),
    ]

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url)

    assert "== root-driver (" in done.out
    assert "no metadata store" in done.out
    assert "all is well" not in done.out


def test_logs_come_from_kubernetes(cluster: Backend, defectory: Defectory) -> None:
    run = detailed(cluster)
    other = run_of(cluster, 8, "RUNNING")
    cluster.pods["kubeflow"] = [
        pod_of(run, f"{STEPS[0]}-driver(0)", "a driver\n"),
        pod_of(run, f"{TRAINED[0]}(0)", "one\ntwo\nthree\n", "Running"),
        pod_of(other, f"{DATA}(0)", "another run\n"),
    ]

    done = defectory("logs", run["run_id"], "mask-rcnn", "--tail", "2", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert done.out.splitlines()[1:] == ["two", "three"]
    assert "iteration-iterations(0:0)" in done.out
    assert "Running" in done.out


def test_logs_are_looked_for_in_the_users_namespace(cluster: Backend, defectory: Defectory) -> None:
    run = detailed(cluster)
    cluster.pods["team"] = [pod_of(run, f"{DATA}(0)", "36 photos\n")]

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url, "--namespace", "team")

    assert "36 photos" in done.out


def test_a_pod_that_has_not_started_is_told(cluster: Backend, defectory: Defectory) -> None:
    run = detailed(cluster)
    cluster.pods["kubeflow"] = [pod_of(run, f"{DATA}(0)", "", "Pending")]
    cluster.fail(r"GET /api/v1/.*/log", 400, "container main is waiting to start", times=9)

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url)

    assert "has not started yet" in done.out


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no such node"}]},
        {
            "containerStatuses": [
                {
                    "name": "main", "image": "i", "imageID": "", "ready": False, "restartCount": 0,
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such node"}},
                }
            ]
        },
    ],
)  # fmt: skip
def test_why_a_pod_waits_is_told(
    cluster: Backend, defectory: Defectory, status: dict[str, Any]
) -> None:
    run = detailed(cluster)
    waits = pod_of(run, f"{DATA}(0)", "", "Pending")
    waits["status"] |= status
    cluster.pods["kubeflow"] = [waits]

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url)

    assert "no such node)" in done.out


def test_without_rights_in_kubernetes_kfp_is_asked(cluster: Backend, defectory: Defectory) -> None:
    run = detailed(cluster)
    cluster.fail(r"GET /api/v1/", 403, "pods is forbidden", times=9)
    cluster.logs = {pod(WORKFLOW, f"{DATA}(0)"): "36 photos\n"}

    done = defectory("logs", run["run_id"], "data-versioning", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert "36 photos" in done.out


def test_with_a_broken_configuration_of_kubectl_kfp_is_asked(
    backend: Backend, defectory: Defectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("{{{ no yaml")
    set_kubeconfig(monkeypatch, tmp_path / "config")
    run = detailed(backend)
    backend.logs = {pod(WORKFLOW, f"{DATA}(0)"): "36 photos\n"}

    done = defectory("logs", run["run_id"], "data-versioning", "--endpoint", backend.url)

    assert done.code == 0, done.err
    assert "36 photos" in done.out


def test_without_any_way_both_reasons_are_told(cluster: Backend, defectory: Defectory) -> None:
    run = run_of(cluster, 9, "RUNNING")
    cluster.fail(r"GET /api/v1/", 403, "pods is forbidden", times=9)

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url)

    assert done.code == 3
    assert "rights" in done.err
    assert "KFP" in done.err


@pytest.mark.parametrize("kept", [True, False])
def test_logs_of_pods_that_are_gone_are_read_beside_those_that_are_left(
    cluster: Backend, defectory: Defectory, kept: bool
) -> None:
    run = detailed(cluster)
    cluster.pods["kubeflow"] = [pod_of(run, f"{TRAINED[0]}(0)", "trained\n", "Running")]
    if kept:
        cluster.archived = {pod(WORKFLOW, f"{DATA}(0)"): "36 photos\n"}

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url)

    assert done.code == 0, done.err
    texts = [line for line in done.out.splitlines() if not line.startswith("== ")]
    assert texts == (["36 photos", "trained"] if kept else ["trained"])
    assert ("data-versioning" in done.err) is not kept
    assert "no log of" in done.err


def test_of_a_step_in_a_loop_it_is_told_which_log_is_missing(
    cluster: Backend, defectory: Defectory
) -> None:
    run = detailed(cluster)
    cluster.pods["kubeflow"] = [
        pod_of(run, f"{DATA}(0)", "36 photos\n"),
        pod_of(run, f"{TRAINED[1]}(0)", "taken away\n", "Failed"),
    ]

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert (
        "no log of mask-rcnn (iteration-iterations(0:0)), "
        "mask-rcnn (iteration-iterations(1:1), try 2): Kubernetes has no pod"
    ) in done.err


@pytest.mark.parametrize("what", ["forbidden", "gone", "waits"])
def test_whether_all_of_a_run_that_has_ended_was_read_is_told_who_follows_it(
    cluster: Backend, defectory: Defectory, what: str
) -> None:
    run = detailed(cluster)
    run["state"] = "FAILED"
    nodes = [f"{DATA}(0)", f"{TRAINED[0]}(0)", *(f"{TRAINED[1]}({i})" for i in range(2))]
    pods = [pod_of(run, node, "said\n") for node in nodes]
    cluster.pods["kubeflow"] = pods
    words = ("logs", run["run_id"], "--endpoint", cluster.url)

    whole = defectory(*words, "--follow")
    if what == "gone":
        del pods[0]
    else:
        status = 403 if what == "forbidden" else 400
        cluster.fail(rf"GET /api/v1/.*{pods[0]['metadata']['name']}/log", status, times=9)
    followed, printed = defectory(*words, "--follow"), defectory(*words)

    assert whole.code == 0, whole.err
    assert "said" in followed.out
    assert followed.code == (0 if what == "waits" else 3)
    assert printed.code == 0


def test_a_step_that_came_from_the_cache_has_no_log_that_is_missed(
    cluster: Backend, defectory: Defectory
) -> None:
    run = detailed(cluster)
    cluster.pods["kubeflow"] = [pod_of(run, f"{TRAINED[0]}(0)", "trained\n", "Running")]
    edges = {f"{name}(0)": [] for name in (DATA, *TRAINED)}
    told = {f"{DATA}(0)": ("Skipped", ""), f"{TRAINED[1]}(0)": ("Pending", FULL)}
    cluster.workflows[run["run_id"]] = {"status": {"nodes": nodes(WORKFLOW, edges, told)}}

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url)

    assert done.out.splitlines()[1:] == ["trained"]
    assert done.err == ""
