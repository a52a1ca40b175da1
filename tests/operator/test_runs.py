import json
from pathlib import Path
from typing import Any

import pytest
from argo import OMITTED, nodes, packed, pod, retried, tasks
from conftest import Defectory, set_kubeconfig
from kfp_backend import NEVER, Backend
from test_failures import kubeconfig

WORKFLOW = "defectory-valvano-x7k2p"
ROOT = f"{WORKFLOW}(0).root"
HANDLER = f"{ROOT}(0).exit-handler-1"
LOOP = f"{HANDLER}(0).for-loop-1"
ITERATIONS = f"{LOOP}(0).iteration-iterations"
ITEMS = [f"{ITERATIONS}({i}:{i})" for i in range(2)]
STEPS = [f"{item}(0).iteration-item(0).mask-rcnn" for item in ITEMS]
DATA = f"{HANDLER}(0).data-versioning(0).executor"
TRAINED = [f"{step}(0).executor" for step in STEPS]
REPORT = f"{HANDLER}(0).report"


def _graph() -> dict[str, list[str]]:
    """Two iterations of a training, the second of which was tried twice."""
    graph = {
        **retried(WORKFLOW, [f"{WORKFLOW}(0).root-driver"]),
        **retried(f"{WORKFLOW}(0).root-driver", []),
        **retried(ROOT, [f"{ROOT}(0).exit-handler-1-driver"]),
        **retried(f"{ROOT}(0).exit-handler-1-driver", []),
        **retried(HANDLER, [f"{HANDLER}(0).data-versioning-driver"]),
        **retried(f"{HANDLER}(0).data-versioning-driver", []),
        **retried(f"{HANDLER}(0).data-versioning", [DATA]),
        **retried(DATA, []),
        **retried(LOOP, [f"{LOOP}(0).iteration-driver"]),
        **retried(f"{LOOP}(0).iteration-driver", []),
        ITERATIONS: ITEMS,
        REPORT: [],
    }
    for before, after in (
        (f"{WORKFLOW}(0).root-driver", ROOT),
        (f"{ROOT}(0).exit-handler-1-driver", HANDLER),
        (f"{HANDLER}(0).data-versioning-driver", f"{HANDLER}(0).data-versioning"),
        (f"{HANDLER}(0).data-versioning", LOOP),
        (f"{LOOP}(0).iteration-driver", ITERATIONS),
        (LOOP, REPORT),
    ):
        graph[before].append(after)
    for item, step, trained in zip(ITEMS, STEPS, TRAINED, strict=True):
        inner = f"{item}(0).iteration-item"
        graph |= {
            **retried(item, [f"{inner}-driver"]),
            **retried(f"{inner}-driver", []),
            **retried(inner, [f"{step}-driver"]),
            **retried(f"{step}-driver", []),
            **retried(step, [trained]),
            **retried(trained, []),
        }
        graph[f"{inner}-driver"].append(inner)
        graph[f"{step}-driver"].append(step)
    graph[TRAINED[1]].append(f"{TRAINED[1]}(1)")
    graph[f"{TRAINED[1]}(1)"] = []
    return graph


def _run(backend: Backend, number: int, state: str, **more: Any) -> dict[str, Any]:
    identity = f"{number:08x}-2222-3333-4444-555555555555"
    backend.runs[identity] = {
        "run_id": identity,
        "display_name": f"run {number}",
        "experiment_id": "e",
        "state": state,
        "storage_state": "AVAILABLE",
        "created_at": backend.now(),
        "finished_at": NEVER,
    } | more
    return backend.runs[identity]


def _detailed(backend: Backend) -> dict[str, Any]:
    going = {STEPS[1]: "RUNNING", f"{STEPS[1]}(0)": "RUNNING", TRAINED[1]: "RUNNING"}
    details = tasks(WORKFLOW, _graph(), going | {REPORT: OMITTED})
    return _run(backend, 7, "RUNNING", run_details=details)


def test_runs_are_listed_over_all_pages_newest_first(
    backend: Backend, defectory: Defectory
) -> None:
    for number in range(5):
        _run(backend, number, "SUCCEEDED", finished_at="2026-11-01T01:00:00Z")

    done = defectory("runs", "--endpoint", backend.url)

    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [f"{n:08x}" for n in (4, 3, 2, 1, 0)]
    assert all(f"{backend.url}/#/runs/details/" in line for line in lines[1:])
    assert "59:5" in lines[1]


def test_no_more_pages_are_read_than_needed(backend: Backend, defectory: Defectory) -> None:
    for number in range(9):
        _run(backend, number, "SUCCEEDED")

    defectory("runs", "--endpoint", backend.url, "--limit", "2")

    assert backend.asked("GET", r"/runs\?") == 1


def test_runs_are_chosen_by_state_and_schedule(backend: Backend, defectory: Defectory) -> None:
    backend.recurring["r"] = {
        "recurring_run_id": "r", "display_name": "nightly", "namespace": "", "status": "ENABLED",
        "created_at": backend.now(),
    }  # fmt: skip
    _run(backend, 1, "FAILED", recurring_run_id="r")
    _run(backend, 2, "SUCCEEDED", recurring_run_id="r")
    _run(backend, 3, "FAILED")
    _run(backend, 4, "FAILED", storage_state="ARCHIVED")

    def ids(*words: str) -> list[str]:
        done = defectory("runs", "--endpoint", backend.url, "--json", *words)
        return [one["id"][7] for one in json.loads(done.out)]

    assert ids() == ["3", "2", "1"]
    assert ids("--state", "failed") == ["3", "1"]
    assert ids("--schedule", "nightly") == ["2", "1"]
    assert defectory("runs", "--endpoint", backend.url, "--schedule", "x").code == 2


def test_a_run_that_goes_on_has_no_end(backend: Backend, defectory: Defectory) -> None:
    _run(backend, 1, "RUNNING")

    done = defectory("runs", "--endpoint", backend.url, "--json")

    (run,) = json.loads(done.out)
    assert run["ended"] is None
    assert run["state"] == "RUNNING"


def test_one_run_is_shown_with_its_steps(backend: Backend, defectory: Defectory) -> None:
    _detailed(backend)

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
    _run(backend, 1, "SUCCEEDED", display_name="weekly")
    _run(backend, 2, "SUCCEEDED")

    assert defectory("runs", "weekly", "--endpoint", backend.url).code == 0
    _run(backend, 3, "SUCCEEDED", display_name="weekly")
    unclear = defectory("runs", "weekly", "--endpoint", backend.url)
    assert unclear.code == 2
    assert "00000003-" in unclear.err


def test_a_run_can_be_followed_later(backend: Backend, defectory: Defectory) -> None:
    _run(backend, 1, "FAILED")

    assert defectory("runs", "00000001", "--wait", "--endpoint", backend.url).code == 1


def test_logs_come_through_kfp_where_kubernetes_is_out_of_reach(
    backend: Backend, defectory: Defectory
) -> None:
    run = _detailed(backend)
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
    run = _detailed(backend)
    backend.archived = {pod(WORKFLOW, f"{DATA}(0)"): "36 photos\n"}

    done = defectory("logs", run["run_id"], "data_versioning", "--endpoint", backend.url)

    assert done.code == 0, done.err
    assert "36 photos" in done.out


def test_logs_that_nobody_has_any_more(backend: Backend, defectory: Defectory) -> None:
    run = _detailed(backend)

    done = defectory("logs", run["run_id"], "--endpoint", backend.url)

    assert done.code == 3
    assert "archiveLogs" in done.out
    assert backend.url in done.err


def test_logs_of_a_step_that_is_not_there(backend: Backend, defectory: Defectory) -> None:
    run = _detailed(backend)

    done = defectory("logs", run["run_id"], "mask_cnn", "--endpoint", backend.url)

    assert done.code == 2
    assert "mask-rcnn" in done.err


@pytest.fixture
def cluster(backend: Backend, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The server is Kubernetes' API too, and kubectl is set up for it."""
    kubeconfig(tmp_path / "config", backend.url)
    set_kubeconfig(monkeypatch, tmp_path / "config")
    return backend


def _pod(run: dict[str, Any], node: str, log: str, phase: str = "Succeeded") -> dict[str, Any]:
    return {
        "metadata": {
            "name": pod(WORKFLOW, node),
            "uid": f"{node} {log}",
            "labels": {"pipeline/runid": run["run_id"]},
            "annotations": {"workflows.argoproj.io/node-name": node},
            "creationTimestamp": "2026-11-01T00:00:00Z",
        },
        "status": {"phase": phase},
        "log": log,
    }


DRIVER = f"{WORKFLOW}(0).root-driver"


def test_steps_are_known_after_argo_has_packed_the_workflow(
    backend: Backend, defectory: Defectory
) -> None:
    run = _detailed(backend)
    ended = nodes(WORKFLOW, _graph(), {REPORT: ("Omitted", "")})
    backend.workflows[run["run_id"]] = {"status": {"compressedNodes": packed(ended)}}

    done = defectory("runs", run["run_id"], "--endpoint", backend.url)

    lines = [line.split() for line in done.out.splitlines()[3:]]
    assert lines == [
        ["data-versioning", "succeeded"],
        ["report", "omitted"],
        ["mask-rcnn", "succeeded", "2", "of", "2"],
    ]


FULL = "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu."


def _waiting(backend: Backend) -> dict[str, Any]:
    """A run of two trainings, of which one goes on and the other one's pod waits."""
    run = _detailed(backend)
    edges = _graph()
    going = [f"{ITEMS[0]}(0).iteration-item(0).mask-rcnn", STEPS[1], *TRAINED]
    told = {name: ("Running", "") for one in going for name in (one, f"{one}(0)")}
    del edges[f"{TRAINED[1]}(1)"]
    edges[TRAINED[1]].remove(f"{TRAINED[1]}(1)")
    told[f"{TRAINED[1]}(0)"] = ("Pending", FULL)
    backend.workflows[run["run_id"]] = {"status": {"nodes": nodes(WORKFLOW, edges, told)}}
    return run


def test_a_step_whose_pod_waits_does_not_run(backend: Backend, defectory: Defectory) -> None:
    run = _waiting(backend)
    words = ("runs", run["run_id"], "--endpoint", backend.url)

    shown = defectory(*words)
    told = json.loads(defectory(*words, "--json").out)

    (line,) = [one for one in shown.out.splitlines() if "mask-rcnn" in one]
    assert line.split(None, 1)[1] == f"running  0 of 2, 1 waiting: {FULL}"
    assert sorted(told["steps"]["mask-rcnn"]) == ["PENDING", "RUNNING"]


def test_the_logs_of_a_pod_that_waits_say_so_through_kfp(
    backend: Backend, defectory: Defectory
) -> None:
    run = _waiting(backend)
    backend.logs = {pod(WORKFLOW, f"{TRAINED[0]}(0)"): "step 1\n"}

    done = defectory("logs", run["run_id"], "mask-rcnn", "--endpoint", backend.url)

    assert done.code == 0, done.err
    assert "step 1" in done.out
    assert f"(iteration-iterations(1:1), through KFP, Pending: {FULL})" in done.out
    assert "has not started yet" in done.out
    assert "archiveLogs" not in done.out


@pytest.mark.parametrize("message", [FULL, "PodInitializing", ""])
def test_a_driver_is_told_of_only_where_it_finds_no_place(
    backend: Backend, defectory: Defectory, message: str
) -> None:
    run = _run(backend, 9, "RUNNING")
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
    run = _run(backend, 9, "RUNNING")
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
    run = _run(backend, 9, "FAILED")
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
    run = _run(backend, 9, "FAILED")
    gate = f"{HANDLER}(0).gate(0).executor(0)"
    told = {gate: ("Failed", "main: Error (exit code 1): 12 photos have no\nmask")}
    backend.workflows[run["run_id"]] = {"status": {"nodes": nodes(WORKFLOW, {gate: []}, told)}}

    done = defectory("runs", run["run_id"], "--endpoint", backend.url)

    assert "why: gate: 12 photos have no mask\n" in done.out
    assert "exit code" not in done.out


def test_a_run_that_failed_without_a_word_says_where_to_look(
    backend: Backend, defectory: Defectory
) -> None:
    run = _run(backend, 9, "FAILED")
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
    run = _run(backend, 9, "FAILED")
    tries: dict[str, list[str]] = {f"{TRAINED[1]}({i})": [] for i in range(2)}
    told = {f"{TRAINED[1]}(0)": ("Error", "pod deleted")}
    found = nodes(WORKFLOW, {TRAINED[1]: list(tries), **tries}, told)
    backend.workflows[run["run_id"]] = {"status": {"nodes": found}}

    done = defectory("runs", run["run_id"], "--endpoint", backend.url)

    assert "pod deleted" not in done.out


def test_a_run_that_was_stopped_is_no_failure(backend: Backend, defectory: Defectory) -> None:
    history = [{"state": "RUNNING"}, {"state": "CANCELING"}, {"state": "FAILED"}]
    _run(backend, 1, "FAILED", state_history=history)
    _run(backend, 2, "FAILED", state_history=[{"state": "FAILED"}])

    def ids(state: str) -> list[str]:
        done = defectory("runs", "--endpoint", backend.url, "--json", "--state", state)
        return [f"{one['id'][7]} {one['state']}" for one in json.loads(done.out)]

    assert ids("canceled") == ["1 CANCELED"]
    assert ids("failed") == ["2 FAILED"]


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


def test_logs_are_those_of_the_step_unless_the_whole_is_wanted(
    cluster: Backend, defectory: Defectory
) -> None:
    run = _detailed(cluster)
    cluster.pods["kubeflow"] = [_pod(run, f"{DATA}(0)", PRINTED)]
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
    run = _detailed(cluster)
    cluster.pods["kubeflow"] = [
        _pod(run, f"{DRIVER}(0)", "no metadata store\n", "Failed"),
        _pod(run, f"{STEPS[0]}-driver(0)", "all is well\n"),
    ]

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url)

    assert "== root-driver (" in done.out
    assert "no metadata store" in done.out
    assert "all is well" not in done.out


def test_logs_come_from_kubernetes(cluster: Backend, defectory: Defectory) -> None:
    run = _detailed(cluster)
    other = _run(cluster, 8, "RUNNING")
    cluster.pods["kubeflow"] = [
        _pod(run, f"{STEPS[0]}-driver(0)", "a driver\n"),
        _pod(run, f"{TRAINED[0]}(0)", "one\ntwo\nthree\n", "Running"),
        _pod(other, f"{DATA}(0)", "another run\n"),
    ]

    done = defectory("logs", run["run_id"], "mask-rcnn", "--tail", "2", "--endpoint", cluster.url)

    assert done.code == 0, done.err
    assert done.out.splitlines()[1:] == ["two", "three"]
    assert "iteration-iterations(0:0)" in done.out
    assert "Running" in done.out


def test_logs_are_looked_for_in_the_users_namespace(cluster: Backend, defectory: Defectory) -> None:
    run = _detailed(cluster)
    cluster.pods["team"] = [_pod(run, f"{DATA}(0)", "36 photos\n")]

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url, "--namespace", "team")

    assert "36 photos" in done.out


def test_a_pod_that_has_not_started_is_told(cluster: Backend, defectory: Defectory) -> None:
    run = _detailed(cluster)
    cluster.pods["kubeflow"] = [_pod(run, f"{DATA}(0)", "", "Pending")]
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
    run = _detailed(cluster)
    waits = _pod(run, f"{DATA}(0)", "", "Pending")
    waits["status"] |= status
    cluster.pods["kubeflow"] = [waits]

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url)

    assert "no such node)" in done.out


def test_a_log_that_stalls_is_given_up_unless_it_is_followed(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.operator import logs

    monkeypatch.setattr(logs, "PATIENCE", 0.2)
    run = _detailed(cluster)
    cluster.pods["kubeflow"] = [_pod(run, f"{DATA}(0)", "36 photos\n", "Running")]
    cluster.dawdle(r"GET /api/v1/.*/log", 1.0)
    words = ("logs", run["run_id"], "--endpoint", cluster.url)

    done = defectory(*words)
    _ends(cluster, run, monkeypatch)
    followed = defectory(*words, "--follow")

    assert done.code == 3
    assert "cannot be reached" in done.out
    assert followed.code == 0, followed.err
    assert "36 photos" in followed.out


def _ends(backend: Backend, run: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on for a few looks, which come quickly, then it ends."""
    from pipelines.operator import follow

    monkeypatch.setattr(follow, "PAUSE", 0.01)
    backend.scripts[run["run_id"]] = [{}, {}, {}, {}, {"state": "SUCCEEDED"}]


def test_a_run_is_followed_into_steps_that_start_later(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _detailed(cluster)
    _ends(cluster, run, monkeypatch)
    waits = _pod(run, f"{TRAINED[0]}(0)", "step 1\nstep 2\n", "Pending")
    waits["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "message": "1 Insufficient cpu."}
    ]
    early = [_pod(run, f"{DATA}(0)", "36 photos\n"), waits]
    late = [early[0], _pod(run, f"{TRAINED[0]}(0)", "step 1\nstep 2\n", "Running")]
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
    run = _detailed(cluster)
    _ends(cluster, run, monkeypatch)
    tries = [
        _pod(run, f"{TRAINED[1]}(0)", "taken away\n", "Failed"),
        _pod(run, f"{TRAINED[1]}(1)", "goes on\n", "Running"),
    ]
    cluster.pods["kubeflow"] = [_pod(run, f"{DATA}(0)", "36 photos\n"), tries[0]]
    later = [*cluster.pods["kubeflow"], tries[1]]
    cluster.change_after(r"GET /api/v1/.*/pods$", 2, lambda: cluster.pods.update(kubeflow=later))

    done = defectory("logs", run["run_id"], "mask_rcnn", "--follow", "--endpoint", cluster.url)

    assert done.out.splitlines()[1::2] == ["taken away", "goes on"]
    assert "try 2" in done.out.splitlines()[2]


def test_a_pod_that_was_made_again_under_its_name_is_read_too(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _detailed(cluster)
    _ends(cluster, run, monkeypatch)
    again = [_pod(run, f"{DATA}(0)", "continues\n", "Running")]
    cluster.pods["kubeflow"] = [_pod(run, f"{DATA}(0)", "starts\n", "Running")]
    cluster.change_after(r"GET /api/v1/.*/pods$", 3, lambda: cluster.pods.update(kubeflow=again))

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.out.splitlines()[1::2] == ["starts", "continues"]


def test_a_container_that_starts_after_its_pod_is_read_later(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _detailed(cluster)
    _ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [_pod(run, f"{DATA}(0)", "36 photos\n", "Running")]
    cluster.fail(r"GET /api/v1/.*/log", 400, "container main is waiting to start", times=1)

    done = defectory("logs", run["run_id"], "--follow", "--endpoint", cluster.url)

    assert done.out.splitlines()[1:] == ["36 photos"]


def test_a_log_that_cannot_be_followed_does_not_hide_the_others(
    cluster: Backend, defectory: Defectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _detailed(cluster)
    _ends(cluster, run, monkeypatch)
    cluster.pods["kubeflow"] = [
        _pod(run, f"{DATA}(0)", "36 photos\n"),
        _pod(run, f"{TRAINED[0]}(0)", "step 1\n"),
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
    run = _detailed(backend)
    backend.logs = {pod(WORKFLOW, f"{DATA}(0)"): "36 photos\n"}
    words = ("logs", run["run_id"], "--follow", "--endpoint", backend.url)

    going = defectory(*words)
    run["state"] = "SUCCEEDED"
    ended = defectory(*words)

    assert going.code == 3
    assert "cannot be followed: no Kubernetes configured here" in going.err
    assert f"defectory runs {run['run_id']} --wait" in going.err
    assert ended.code == 0, ended.err
    assert "36 photos" in ended.out


def test_a_step_that_never_comes_is_not_waited_for(cluster: Backend, defectory: Defectory) -> None:
    run = _detailed(cluster)

    done = defectory("logs", run["run_id"], "mask_cnn", "--follow", "--endpoint", cluster.url)

    assert done.code == 2
    assert "mask_rcnn" in done.err


def test_without_rights_in_kubernetes_kfp_is_asked(cluster: Backend, defectory: Defectory) -> None:
    run = _detailed(cluster)
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
    run = _detailed(backend)
    backend.logs = {pod(WORKFLOW, f"{DATA}(0)"): "36 photos\n"}

    done = defectory("logs", run["run_id"], "data-versioning", "--endpoint", backend.url)

    assert done.code == 0, done.err
    assert "36 photos" in done.out


def test_without_any_way_both_reasons_are_told(cluster: Backend, defectory: Defectory) -> None:
    run = _run(cluster, 9, "RUNNING")
    cluster.fail(r"GET /api/v1/", 403, "pods is forbidden", times=9)

    done = defectory("logs", run["run_id"], "--endpoint", cluster.url)

    assert done.code == 3
    assert "rights" in done.err
    assert "KFP" in done.err
