"""Task details of a run as the backend makes them of an Argo workflow's nodes."""

from typing import Any


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
                "state": states.get(name, "SUCCEEDED"),
                "child_tasks": [{"pod_name": identity(workflow, child)} for child in followers],
            }
            for name, followers in edges.items()
        ]
    }


def identity(workflow: str, name: str) -> str:
    """Argo's id of a node."""
    value = 2166136261
    for byte in name.encode():
        value = ((value ^ byte) * 16777619) % 2**32
    return workflow if name == workflow else f"{workflow}-{value}"


def pod(workflow: str, name: str, template: str = "system-container-impl") -> str:
    """Name of a node's pod."""
    return f"{workflow}-{template}-{identity(workflow, name).rpartition('-')[2]}"


def _shown(name: str) -> str:
    return name.split(".")[-1]
