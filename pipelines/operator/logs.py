"""What the steps of a run printed.

From Kubernetes where it can be reached from here, else, and for pods that are gone, through KFP.
"""

from collections.abc import Callable, Iterator
from typing import Any

from pipelines.operator import archive
from pipelines.operator.pods import Pod, Reading, listed
from pipelines.operator.server import Server
from pipelines.operator.source import Source, Wish
from pipelines.operator.workflow import reasons
from pipelines.refusal import SERVER, Refusal

PATIENCE = 60.0
"""Seconds for which Kubernetes may say nothing while it gives a log that is there."""


def sources(server: Server, run: Any, wish: Wish) -> list[Source]:
    """The logs of a run's steps, and of what KFP runs before them where that failed.

    Args:
        server: Where the run is.
        run: The run with its tasks.
        wish: What to read of them.

    Raises:
        Refusal: If neither Kubernetes nor KFP gives any; with both reasons.
    """
    pods: list[Pod] = []
    reason = "Kubernetes has no pods of it any more"
    try:
        pods = [pod for pod in listed(server, run.run_id).pods if pod.told_of]
    except Refusal as refusal:
        reason = str(refusal)
    there = frozenset(pod.place for pod in pods if pod.place is not None)
    found = [
        *archive.sources(server, run, wish, but=there, beside=bool(pods)),
        *(Source(pod.step, pod.where, _reader(pod, wish)) for pod in pods),
    ]
    if found:
        return found
    if told := reasons(server, run.run_id):
        why = "\n".join(f"  {one}" for one in told)
        raise Refusal(f"no step of run {run.run_id} has a log; Argo says\n{why}", SERVER)
    raise Refusal(
        f"no logs of run {run.run_id}: {reason}, and KFP knows no pods of it either; look at "
        f"{server.link('runs', run.run_id)}, or at MLflow",
        SERVER,
    )


def _reader(pod: Pod, wish: Wish) -> Callable[[], Iterator[str]]:
    def read() -> Iterator[str]:
        reading = Reading(PATIENCE, tail=wish.tail if wish.whole else 0)
        yield from wish.of(pod.read(reading))

    return read
