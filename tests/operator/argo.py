"""Task details of a run as the backend makes them of an Argo workflow's nodes."""

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
