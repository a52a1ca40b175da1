"""Which pod of a run belongs to which step, from what KFP's API says.

The API lists a run's Argo nodes with their display names and the ids of their successors, but not
their own ids. An id is the workflow's name and a hash of the node's path, so the paths are found
again by trying which hashes are among the ids.

KFP's manifests make Argo put retries around everything, loops and tasks too: below a node `gate`
there is then `gate(0)`, which has what is in the task.
"""

import re
from dataclasses import dataclass
from typing import Any

from pipelines.profiles import LABELS

Place = tuple[tuple[str, ...], int]
"""Where a pod belongs in a run: the names it is below, the step's last, and which try it is."""

_TRIES = 12
_TRY = re.compile(r"\(\d+\)$")
# KFP names the template of a pod by what it has to fill in: labels, of which ours have all the
# same number, and retries.
_TEMPLATES = (
    f"metadata-0-{len(LABELS)}-retry-system-container-impl",
    "retry-system-container-impl",
    "system-container-impl",
)


@dataclass(frozen=True)
class Node:
    """A pod's place in a run.

    Attributes:
        path: Names of the loops and tasks it is in, the step last.
        attempt: Which try it is, from 0.
        pods: Names that the pod may have; the API does not say of which template it is.
    """

    path: tuple[str, ...]
    attempt: int
    pods: tuple[str, ...]

    @property
    def step(self) -> str:
        """Name of the step's task."""
        return self.path[-1]

    @property
    def place(self) -> Place:
        """Where it belongs."""
        return self.path, self.attempt


def nodes(run: Any) -> list[Node]:
    """The pods of a run's steps, in the order of their paths."""
    tasks = (run.run_details.task_details if run.run_details is not None else None) or []
    known = {child.pod_name for task in tasks for child in task.child_tasks or [] if child.pod_name}
    if not known:
        return []
    workflow = next(iter(known)).rpartition("-")[0]
    names = {task.display_name for task in tasks if task.display_name}
    found: list[Node] = []
    seen = {workflow}
    paths = [workflow]
    while paths:
        path = paths.pop()
        children = [f"{path}.{name}" for name in names] + [f"{path}({i})" for i in range(_TRIES)]
        for child in children:
            if child not in seen and f"{workflow}-{_hash(child)}" in known:
                seen.add(child)
                paths.append(child)
    # Of a node with retries, only the tries are pods.
    for path in sorted(seen):
        place = None if f"{path}(0)" in seen else place_of(path)
        if place is not None:
            pods = tuple(f"{workflow}-{template}-{_hash(path)}" for template in _TEMPLATES)
            found.append(Node(*place, pods))
    return found


def place_of(path: str) -> Place | None:
    """Where a node belongs: the names it is below, and which try it is.

    Args:
        path: Its full name in Argo, as `workflow(0).root(0).[...].mask-rcnn(0).executor(0)`.

    Returns:
        None for what is not the container of a step (drivers, loops, the workflow).
    """
    *above, last = path.split(".")
    name, _, attempt = last.removesuffix(")").partition("(")
    if name != "executor" or len(above) < 2:
        return None
    names = tuple(_TRY.sub("", part) for part in above[1:])
    return names, int(attempt) if attempt.isdigit() else 0


def step_of(path: str) -> str:
    """What a node is of, for people: the step, its driver, or a part of KFP's machinery.

    Args:
        path: The node's full name in Argo.
    """
    place = place_of(path)
    return place[0][-1] if place is not None else without_try(path.rpartition(".")[2])


def without_try(name: str) -> str:
    """A node's name without the number of its try."""
    return _TRY.sub("", name)


def is_try(name: str) -> bool:
    """Whether a node's name is that of one try of another node."""
    return _TRY.search(name) is not None


def _hash(path: str) -> int:
    """FNV-1a, 32 bits, as Argo names nodes."""
    value = 0x811C9DC5
    for byte in path.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value
