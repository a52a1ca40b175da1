"""Task details of a run as the backend makes them of an Argo workflow's nodes."""

import base64
import gzip
import json
from typing import Any

DONE = "SUCCEEDED"
OMITTED = "Omitted"
"""A phase that KFP's API has no state for, and leaves out."""


IMPLEMENTATION = "metadata-0-4-retry-system-container-impl"
"""Template of a step's pods, which have four labels and retries."""


def retried(name: str, followers: list[str]) -> dict[str, list[str]]:
    """The nodes of a template as KFP's manifests make it, with a try inside.

    Args:
        name: Full name of the node.
        followers: Full names of those that come first inside its first try.
    """
    return {name: [f"{name}(0)"], f"{name}(0)": followers}


def tasks(workflow: str, edges: dict[str, list[str]], states: dict[str, str]) -> dict[str, Any]:
    """The run's details for a graph of nodes.

    Args:
        workflow: Its name, which is its first node's too.
        edges: Full names of the nodes, each with the names of those that follow it.
        states: Full names with a state; the others have succeeded.
    """
    return {
        "task_details": [
            {
                "display_name": _shown(name),
                **({} if states.get(name) == OMITTED else {"state": states.get(name, DONE)}),
                "child_tasks": [{"pod_name": identity(workflow, child)} for child in followers],
            }
            for name, followers in edges.items()
        ]
    }


def nodes(
    workflow: str, edges: dict[str, list[str]], told: dict[str, tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """The nodes of a workflow as Argo keeps them, begun one after the other.

    Args:
        workflow: Its name.
        edges: Full names of the nodes, each with the names of those that follow it.
        told: Full names with phase and message; the others have succeeded.
    """
    return {
        identity(workflow, name): {
            "id": identity(workflow, name),
            "name": name,
            "displayName": _shown(name),
            "type": "Retry" if f"{name}(0)" in followers else "Pod",
            "phase": told.get(name, ("Succeeded", ""))[0],
            "message": told.get(name, ("", ""))[1],
            "startedAt": f"2026-11-01T00:00:{second:02d}Z",
            "children": [identity(workflow, child) for child in followers],
        }
        for second, (name, followers) in enumerate(edges.items())
    }


def packed(nodes: dict[str, dict[str, Any]]) -> str:
    """Nodes as Argo keeps them in a workflow that has grown large."""
    return base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()


def identity(workflow: str, name: str) -> str:
    """Argo's id of a node."""
    value = 2166136261
    for byte in name.encode():
        value = ((value ^ byte) * 16777619) % 2**32
    return workflow if name == workflow else f"{workflow}-{value}"


def pod(workflow: str, name: str, template: str = IMPLEMENTATION) -> str:
    """Name of a node's pod."""
    return f"{workflow}-{template}-{identity(workflow, name).rpartition('-')[2]}"


def _shown(name: str) -> str:
    return name.split(".")[-1]
