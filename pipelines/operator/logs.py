"""What the steps of a run printed.

From Kubernetes where it can be reached from here, else through KFP, whose UI also finds the logs
of pods that are gone, where the installation archives them.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from pipelines.operator.nodes import nodes, place_of
from pipelines.operator.server import Server
from pipelines.refusal import SERVER, Refusal

_RUN_LABEL = "pipeline/runid"
_NODE = "workflows.argoproj.io/node-name"
_MAIN = "main"

PATIENCE = 60.0
"""Seconds for which Kubernetes may say nothing while it gives a log that is there."""

Say = Callable[[str], None]


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


def sources(server: Server, run: Any, *, follow: bool, tail: int) -> list[Source]:
    """The logs of a run's steps.

    Args:
        server: Where the run is.
        run: The run with its tasks.
        follow: Whether to go on reading while a pod runs.
        tail: Lines from the end of each; 0 for all.

    Raises:
        Refusal: If neither Kubernetes nor KFP gives any; with both reasons.
    """
    try:
        found = _from_kubernetes(server, run, follow=follow, tail=tail)
        reason = "Kubernetes has no pods of it any more"
    except Refusal as refusal:
        found, reason = [], str(refusal)
    if found:
        return found
    found = _from_kfp(server, run, tail=tail)
    if not found:
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
    wanted = step.replace("_", "-")
    chosen = [one for one in found if one.step.replace("_", "-") == wanted]
    if not chosen:
        there = ", ".join(sorted({one.step for one in found}))
        raise Refusal(f"no logs of a step {step!r}; there are {there}")
    return chosen


def _from_kubernetes(server: Server, run: Any, *, follow: bool, tail: int) -> list[Source]:
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException

    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config()
        else:
            config.load_kube_config()
    except (config.ConfigException, OSError) as error:
        raise Refusal("no Kubernetes configured here", SERVER) from error
    core = client.CoreV1Api()
    namespace = server.access.namespace

    def reading(pod: str) -> Iterator[str]:
        try:
            response = core.read_namespaced_pod_log(
                pod,
                namespace,
                container=_MAIN,
                follow=follow,
                tail_lines=tail or None,
                _preload_content=False,
                # A pod that is followed may say nothing for hours.
                _request_timeout=(5, None if follow else PATIENCE),
            )
            yield from _lines(response)
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            raise Refusal(f"{pod}: {_kubernetes_said(error)}", SERVER) from error

    try:
        pods = core.list_namespaced_pod(
            namespace, label_selector=f"{_RUN_LABEL}={run.run_id}", _request_timeout=(5, 30)
        ).items
    except (ApiException, urllib3.exceptions.HTTPError) as error:
        raise Refusal(f"Kubernetes: {_kubernetes_said(error)}", SERVER) from error
    found = []
    pods.sort(key=lambda pod: (str(pod.metadata.creation_timestamp), pod.metadata.name))
    for pod in pods:
        place = place_of((pod.metadata.annotations or {}).get(_NODE, ""))
        if place is not None:
            path, attempt = place
            where = _where(path, attempt, f"{pod.metadata.name}, {pod.status.phase}")
            name = pod.metadata.name
            found.append(Source(path[-1], where, lambda name=name: reading(name)))  # type: ignore[misc]
    return found


def _from_kfp(server: Server, run: Any, *, tail: int) -> list[Source]:
    def reading(pods: tuple[str, ...]) -> Iterator[str]:
        for pod in pods:
            for route in _routes(server, run.run_id, pod):
                with contextlib.suppress(Refusal):
                    lines = _get(server, route)
                    yield from lines[-tail:] if tail else lines
                    return
        raise Refusal(
            "its pod is gone, and this installation keeps no logs of pods (Argo's archiveLogs)",
            SERVER,
        )

    return [
        Source(
            node.step,
            _where(node.path, node.attempt, "through KFP"),
            lambda pods=node.pods: reading(pods),  # type: ignore[misc]
        )
        for node in nodes(run)
    ]


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
        return "has not started yet; try again, or look at the pod's events"
    if status == 401:
        return "does not accept the credentials of the kubeconfig; log in to the cluster again"
    if status == 403:
        return "does not allow reading pods there; ask for the rights get and list on pods/log"
    if status == 404:
        return "has no such pod or namespace; check --namespace"
    return f"cannot be reached ({type(error).__name__ if status is None else f'HTTP {status}'})"
