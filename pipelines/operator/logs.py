"""What the steps of a run printed.

From Kubernetes where it can be reached from here, else through KFP, whose UI also finds the logs
of pods that are gone, where the installation archives them.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from pipelines.operator.cluster import configure, waiting
from pipelines.operator.nodes import Node, nodes, place_of, step_of
from pipelines.operator.noise import own
from pipelines.operator.server import Server
from pipelines.operator.workflow import pending, reasons
from pipelines.refusal import SERVER, Refusal

_RUN_LABEL = "pipeline/runid"
_NODE = "workflows.argoproj.io/node-name"
_MAIN = "main"

_NOT_STARTED = "has not started yet; try again, or look at the pod's events"

PATIENCE = 60.0
"""Seconds for which Kubernetes may say nothing while it gives a log that is there."""


class NotStarted(Refusal):
    """There is no log yet: the container has not started."""


@dataclass(frozen=True)
class Source:
    """The log of one try of one task.

    Attributes:
        step: Name of the step's task.
        where: The loops it is in, and which try it is, for people.
        read: Gives the lines; raises Refusal where there are none.
    """

    step: str
    where: str
    read: Callable[[], Iterator[str]]


@dataclass(frozen=True)
class Pod:
    """A pod in Kubernetes, whose log is that of one try of one task.

    Attributes:
        identity: Tells it from others, also from one of the same name that was made in its place.
        phase: Kubernetes' word for how far it is.
        waits: Why it has not started, as far as Kubernetes says.
        source: Its log.
    """

    identity: str
    phase: str
    waits: str
    source: Source


@dataclass(frozen=True)
class Wish:
    """What to read of every log.

    Attributes:
        follow: Whether to read on while a pod runs.
        tail: Lines from the end of each; 0 for all.
        whole: Whether what KFP and Argo print as a matter of course is read too.
    """

    follow: bool = False
    tail: int = 0
    whole: bool = False

    @property
    def asked_for(self) -> int:
        """Lines from the end to ask the server for; 0 for all."""
        return self.tail if self.whole or self.follow else 0

    def of(self, lines: Iterable[str]) -> Iterable[str]:
        """What is wished for of a log's lines."""
        chosen = lines if self.whole else own(lines)
        return deque(chosen, self.tail) if self.tail and not self.follow else chosen


def sources(server: Server, run: Any, wish: Wish) -> list[Source]:
    """The logs of a run's steps, and of what KFP runs before them where that failed.

    Args:
        server: Where the run is.
        run: The run with its tasks.
        wish: What to read of them.

    Raises:
        Refusal: If neither Kubernetes nor KFP gives any; with both reasons.
    """
    try:
        found = [pod.source for pod in pods(server, run.run_id, wish)]
        reason = "Kubernetes has no pods of it any more"
    except Refusal as refusal:
        found, reason = [], str(refusal)
    if found:
        return found
    found = _from_kfp(server, run, wish)
    if not found:
        if told := reasons(server, run.run_id):
            why = "\n".join(f"  {one}" for one in told)
            raise Refusal(f"no step of run {run.run_id} has a log; Argo says\n{why}", SERVER)
        raise Refusal(
            f"no logs of run {run.run_id}: {reason}, and KFP knows no pods of it either; look at "
            f"{server.link('runs', run.run_id)}, or at MLflow",
            SERVER,
        )
    return found


def of_step(found: list[Source], step: str) -> list[Source]:
    """Those of one step.

    Raises:
        Refusal: If there is none; with the steps that there are.
    """
    chosen = [one for one in found if is_of(one, step)]
    if not chosen:
        there = ", ".join(sorted({one.step for one in found}))
        raise Refusal(f"no logs of a step {step!r}; there are {there}")
    return chosen


def is_of(source: Source, step: str) -> bool:
    """Whether a log is one of a step's, whose name may be written with `_` or `-`."""
    return source.step.replace("_", "-") == step.replace("_", "-")


def pods(server: Server, identity: str, wish: Wish) -> list[Pod]:
    """The pods of a run that Kubernetes has, the oldest first.

    Of what KFP runs itself, only those that failed.

    Args:
        server: Where the run is.
        identity: The run's id.
        wish: What to read of their logs.

    Raises:
        Refusal: If Kubernetes cannot be asked.
    """
    from kubernetes import client
    from kubernetes.client.exceptions import ApiException

    configure()
    core = client.CoreV1Api()
    namespace = server.access.namespace

    def reading(pod: str) -> Iterator[str]:
        try:
            response = core.read_namespaced_pod_log(
                pod,
                namespace,
                container=_MAIN,
                follow=wish.follow,
                tail_lines=wish.asked_for or None,
                _preload_content=False,
                # A pod that is followed may say nothing for hours.
                _request_timeout=(5, None if wish.follow else PATIENCE),
            )
            yield from wish.of(_lines(response))
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            told = f"{pod}: {_kubernetes_said(error)}"
            if getattr(error, "status", None) == 400:
                raise NotStarted(told, SERVER) from error
            raise Refusal(told, SERVER) from error

    try:
        listed = core.list_namespaced_pod(
            namespace, label_selector=f"{_RUN_LABEL}={identity}", _request_timeout=(5, 30)
        ).items
    except (ApiException, urllib3.exceptions.HTTPError) as error:
        raise Refusal(f"Kubernetes: {_kubernetes_said(error)}", SERVER) from error
    found = []
    listed.sort(key=lambda pod: (str(pod.metadata.creation_timestamp), pod.metadata.name))
    for pod in listed:
        name, phase = pod.metadata.name, pod.status.phase
        node = (pod.metadata.annotations or {}).get(_NODE, "")
        place = place_of(node)
        if place is None and phase != "Failed":
            continue
        path, attempt = place if place is not None else ((step_of(node),), 0)
        waits = waiting(pod)
        where = _where(path, attempt, f"{name}, {phase}{': ' if waits else ''}{waits}")
        source = Source(path[-1], where, lambda name=name: reading(name))  # type: ignore[misc]
        found.append(Pod(pod.metadata.uid, phase, waits, source))
    return found


def _from_kfp(server: Server, run: Any, wish: Wish) -> list[Source]:
    waits = pending(server, run.run_id)

    def reading(node: Node) -> Iterator[str]:
        if (node.path, node.attempt) in waits:
            raise Refusal(_NOT_STARTED, SERVER)
        for pod in node.pods:
            for route in _routes(server, run.run_id, pod):
                with contextlib.suppress(Refusal):
                    yield from wish.of(_get(server, route))
                    return
        raise Refusal(
            "KFP does not give it: its pod is gone and its log is not kept (Argo's archiveLogs), "
            "or this is the address of KFP's API, which finds few of them: give that of its UI, or "
            "let kubectl know the cluster",
            SERVER,
        )

    def found(node: Node) -> Source:
        why = waits.get((node.path, node.attempt))
        state = "" if why is None else f", Pending{': ' if why else ''}{why}"
        where = _where(node.path, node.attempt, f"through KFP{state}")
        return Source(node.step, where, lambda: reading(node))

    return [found(node) for node in nodes(run)]


def _routes(server: Server, run_id: str, pod: str) -> tuple[str, str]:
    """Where logs are: the UI's server has one address for them, the API's server another."""
    query = {"podname": pod, "runid": run_id, "podnamespace": server.access.namespace}
    return (
        f"/k8s/pod/logs?{urlencode(query)}",
        f"/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log",
    )


def _get(server: Server, route: str) -> list[str]:
    with server.doing("reading the log"):
        kind, text = server.read(route)
    if "html" in kind or text.lstrip().startswith("<!doctype html"):
        raise Refusal("a web page instead of a log", SERVER)
    if text.startswith('{"error_message"'):
        # The API's server starts its answer with 200 before it has looked for the pod.
        raise Refusal("no such pod", SERVER)
    return text.splitlines()


def _lines(response: Any) -> Iterator[str]:
    rest = b""
    for piece in response.stream(amt=None):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", errors="replace")
    if rest:
        yield rest.decode("utf-8", errors="replace")


def _where(path: tuple[str, ...], attempt: int, more: str) -> str:
    loops = [part for part in path[:-1] if "(" in part]
    again = [f"try {attempt + 1}"] if attempt else []
    return ", ".join([*loops, *again, more])


def _kubernetes_said(error: Exception) -> str:
    status = getattr(error, "status", None)
    if status == 400:
        return _NOT_STARTED
    if status == 401:
        return "does not accept the credentials of the kubeconfig; log in to the cluster again"
    if status == 403:
        return "does not allow reading pods there; ask for the rights get and list on pods/log"
    if status == 404:
        return "has no such pod or namespace; check --namespace"
    return f"cannot be reached ({type(error).__name__ if status is None else f'HTTP {status}'})"
