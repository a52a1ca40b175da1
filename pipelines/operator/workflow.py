"""The Argo workflow of a run, as KFP keeps it.

KFP's list of a run's tasks stands still from the moment when Argo packs the workflow's nodes, as it
does where the object would grow too large: after some 25 tasks. The workflow itself, which KFP's
older API still gives, has all of them, and says why a pod failed or waits, which that list leaves
out.
"""

import base64
import gzip
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import kfp_server_api

from pipelines.operator.cluster import reason
from pipelines.operator.failure import ServerRefusal
from pipelines.operator.nodes import Place, place_of, step_of, without_try
from pipelines.operator.server import Server

_STATES = {
    "Pending": "PENDING",
    "Running": "RUNNING",
    "Succeeded": "SUCCEEDED",
    "Skipped": "SKIPPED",
    "Failed": "FAILED",
    "Error": "FAILED",
}
"""KFP's names of Argo's phases; it has none for Omitted."""

_POD = re.compile(r"-\d{6,}\b")

_ENDED = re.compile(r"^main: Error \(exit code \d+\): (?=\S)")
"""What Argo puts before the words in which a step says why it failed."""


def tasks(server: Server, run_id: str) -> list[Any]:
    """The tasks of a run in the form of KFP's own list, in the order in which they began.

    Argo calls a task running whose pod waits; here it is pending, and its error says why.

    Returns:
        No tasks where the workflow is not given.
    """
    nodes = _nodes(server, run_id)
    waiting = _waiting(nodes)
    return [
        kfp_server_api.V2beta1PipelineTaskDetail(
            display_name=node.get("displayName"),
            state="PENDING" if node["name"] in waiting else _STATES.get(node.get("phase", "")),
            error=_status(waiting.get(node["name"])),
            child_tasks=[
                kfp_server_api.PipelineTaskDetailChildTask(pod_name=child)
                for child in node.get("children") or []
            ],
        )
        for node in sorted(nodes, key=_beginning)
    ]


@dataclass(frozen=True)
class Executor:
    """What Argo says of a place in a run where a step's pod is, or might have been.

    Attributes:
        phase: Argo's word for how far it is.
        why: Why it has not started, or failed, as far as Kubernetes says.
        log: Where KFP's launcher leaves its log, an address in the object store; empty where
            that is not told.
    """

    phase: str
    why: str
    log: str

    @property
    def ran(self) -> bool:
        """Whether there was a pod; there is none of what was skipped or came from the cache."""
        return self.phase in ("Running", "Succeeded", "Failed", "Error")


def executors(server: Server, run_id: str) -> dict[Place, Executor]:
    """What Argo says of the steps' pods.

    Returns:
        Nothing where the workflow is not given.
    """
    found = {}
    for node in _nodes(server, run_id):
        place = place_of(node["name"])
        if place is not None and node.get("type") != "Retry":
            why = reason(node.get("message"))
            found[place] = Executor(node.get("phase") or "", why, _log(node, place[1]))
    return found


def reasons(server: Server, run_id: str) -> list[str]:
    """Why pods of a run failed or could not be made, those first that began first.

    Returns:
        A sentence for each step and message, once for all its tries, and none for a step of which
        a further try went well; none at all where the workflow is not given.
    """
    nodes = _nodes(server, run_id)
    # A node with tries has the name of its tries without their numbers.
    well = {node["name"] for node in nodes if not _failed(node)}
    failed = [
        node
        for node in nodes
        if node.get("type") == "Pod"
        and _failed(node)
        and node.get("message")
        and without_try(node["name"]) not in well
    ]
    failed.sort(key=_beginning)
    told: dict[str, str] = {}
    for node in failed:
        said = _ENDED.sub("", " ".join(node["message"].split()), count=1)
        sentence = f"{step_of(node['name'])}: {said}"
        # Every try has a pod of another name.
        told.setdefault(_POD.sub("", sentence), sentence)
    return list(told.values())


def _log(node: dict[str, Any], attempt: int) -> str:
    """Where the log of a try is left: what its launcher is told, and the number of the try.

    So does KFP 2.17, unless its `PUBLISH_LOGS` is off (launcher_v2.go, qualifyExecutorLogsURI).
    """
    given = (node.get("inputs") or {}).get("parameters") or []
    try:
        (patch,) = [one["value"] for one in given if one["name"] == "pod-spec-patch"]
        main = json.loads(patch)["containers"][0]
        words = [*main["command"], *main.get("args", [])]
        told = json.loads(words[words.index("--executor_input") + 1])
        (log,) = told["outputs"]["artifacts"]["executor-logs"]["artifacts"]
        return f"{log['uri']}-{attempt}"
    except (LookupError, TypeError, ValueError):
        return ""


def _waiting(nodes: list[dict[str, Any]]) -> dict[str, str]:
    """Why nodes wait for a pod, by their full names: the pod itself, and the task that it is of."""
    found: dict[str, str] = {}
    for node in nodes:
        if node.get("type") == "Pod" and node.get("phase") == "Pending":
            pod = without_try(node["name"])
            task = without_try(pod.removesuffix(".executor"))
            why = reason(node.get("message"))
            found |= dict.fromkeys((node["name"], pod, task), why)
    return found


def _status(message: str | None) -> Any:
    return kfp_server_api.GoogleRpcStatus(message=message) if message else None


def _failed(node: dict[str, Any]) -> bool:
    return _STATES.get(node.get("phase", "")) == "FAILED"


def _beginning(node: dict[str, Any]) -> tuple[str, str]:
    return node.get("startedAt") or "", node["name"]


def _nodes(server: Server, run_id: str) -> list[dict[str, Any]]:
    try:
        with server.doing("looking at the workflow"):
            _, text = server.read(f"/apis/v1beta1/runs/{quote(run_id)}")
            runtime = json.loads(text)["pipeline_runtime"]
            status = json.loads(runtime["workflow_manifest"]).get("status") or {}
            if packed := status.get("compressedNodes"):
                return list(json.loads(gzip.decompress(base64.b64decode(packed))).values())
    except ServerRefusal:
        return []  # It is a server without the older API.
    return list((status.get("nodes") or {}).values())
