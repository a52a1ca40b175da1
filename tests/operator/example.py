"""A run of the pipeline, and its pods, as KFP and Kubernetes have them."""

import json
from typing import Any

import pytest
from argo import OMITTED, nodes, pod, retried, tasks
from kfp_backend import NEVER, Backend

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
DRIVER = f"{WORKFLOW}(0).root-driver"
PRINTED = "".join(f"step {number}\n" for number in range(1, 11))
PAGE = b"<!doctype html><html>metadata items spec<title>Log in</title></html>"
FULL = "Unschedulable: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
PREEMPTION = (
    " no new claims to deallocate, preemption: 0/3 nodes are available: 3 No preemption victims "
    "found for incoming pod."
)
"""What Kubernetes 1.36 adds to every such sentence, and nobody is to read."""


def graph() -> dict[str, list[str]]:
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


def run_of(backend: Backend, number: int, state: str, **more: Any) -> dict[str, Any]:
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


def detailed(backend: Backend) -> dict[str, Any]:
    going = {STEPS[1]: "RUNNING", f"{STEPS[1]}(0)": "RUNNING", TRAINED[1]: "RUNNING"}
    details = tasks(WORKFLOW, graph(), going | {REPORT: OMITTED})
    return run_of(backend, 7, "RUNNING", run_details=details)


def launched(log: str) -> dict[str, Any]:
    """What Argo's node of a step's pod has been given by its driver."""
    artifacts = {"executor-logs": {"artifacts": [{"name": "executor-logs", "uri": log}]}}
    told = json.dumps({"inputs": {}, "outputs": {"artifacts": artifacts}})
    command = ["/kfp-launcher/launch", "--executor_input", told, "--component_spec", "{}"]
    patch = {"containers": [{"name": "main", "command": command}]}
    return {"parameters": [{"name": "pod-spec-patch", "value": json.dumps(patch)}]}


def waiting(backend: Backend) -> dict[str, Any]:
    """A run of two trainings, of which one goes on and the other one's pod waits."""
    run = detailed(backend)
    edges = graph()
    going = [f"{ITEMS[0]}(0).iteration-item(0).mask-rcnn", STEPS[1], *TRAINED]
    told = {name: ("Running", "") for one in going for name in (one, f"{one}(0)")}
    del edges[f"{TRAINED[1]}(1)"]
    edges[TRAINED[1]].remove(f"{TRAINED[1]}(1)")
    told[f"{TRAINED[1]}(0)"] = ("Pending", FULL + PREEMPTION)
    backend.workflows[run["run_id"]] = {"status": {"nodes": nodes(WORKFLOW, edges, told)}}
    return run


def pod_of(run: dict[str, Any], node: str, log: str, phase: str = "Succeeded") -> dict[str, Any]:
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


def ends(backend: Backend, run: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on for a few looks, which come quickly, then it ends, and its pods with it."""
    quickly(monkeypatch)
    backend.scripts[run["run_id"]] = [{}, {}, {}, {}, {"state": "SUCCEEDED"}]

    def change() -> None:
        if run.get("state") == "SUCCEEDED":
            pods_end(backend)

    backend.change_after(r"GET /api/v1/.*/pods$", 1, change)


def pods_end(backend: Backend) -> None:
    """No pod runs any longer."""
    for pods in backend.pods.values():
        for one in pods:
            if one["status"]["phase"] == "Running":
                one["status"]["phase"] = "Succeeded"


def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at a run come quickly."""
    from pipelines.operator import follow

    monkeypatch.setattr(follow, "PAUSE", 0.01)


def texts(out: str) -> list[str]:
    """What steps have printed, without the lines that say whose it is."""
    return [line for line in out.splitlines() if not line.startswith("== ")]
