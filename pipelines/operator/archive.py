"""Logs through KFP, whose UI also finds those of pods that are gone, where they are kept."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from pipelines.operator.nodes import Node, Place, nodes
from pipelines.operator.pods import NOT_STARTED, NotStarted
from pipelines.operator.server import Server
from pipelines.operator.source import Source, Wish, where
from pipelines.operator.workflow import executors
from pipelines.refusal import SERVER, Refusal


def sources(
    server: Server, run: Any, wish: Wish, *, but: frozenset[Place], beside: bool
) -> list[Source]:
    """The logs of a run's steps that KFP may have.

    Args:
        server: Where the run is.
        run: The run with its tasks.
        wish: What to read of them.
        but: Places of pods that Kubernetes has.
        beside: Whether it is only what Kubernetes lacks; then what has not started is left out.
    """
    known = executors(server, run.run_id)
    found = []
    for node in nodes(run):
        pod = known.get(node.place)
        waits = pod is not None and pod.phase == "Pending"
        # Of a step that was skipped, or taken from the cache, there never was a pod.
        ran = not known or (pod is not None and (pod.ran or waits))
        if node.place in but or not ran or (beside and waits):
            continue
        state = f", Pending{': ' if pod.why else ''}{pod.why}" if pod is not None and waits else ""
        found.append(
            Source(
                node.step,
                where(*node.place, f"through KFP{state}"),
                _reader(server, run.run_id, node, wish, kept=pod.log if pod else "", waits=waits),
                gone=beside,
                which=where(*node.place),
            )
        )
    return found


def _reader(
    server: Server, run_id: str, node: Node, wish: Wish, *, kept: str, waits: bool
) -> Callable[[], Iterator[str]]:
    def read() -> Iterator[str]:
        if waits:
            raise NotStarted(NOT_STARTED, SERVER)
        routes = [route for pod in node.pods for route in _routes(server, run_id, pod)]
        for route in [*routes, *([_file(server, kept)] if kept else [])]:
            with contextlib.suppress(Refusal):
                yield from wish.of(_get(server, route))
                return
        raise Refusal(
            "KFP does not give it: its pod is gone and left no log, as one that is killed may, and "
            "all where KFP's PUBLISH_LOGS is off; or this is the address of KFP's API, which finds "
            "few of them: give that of its UI, or let kubectl know the cluster",
            SERVER,
        )

    return read


def _routes(server: Server, run_id: str, pod: str) -> tuple[str, str]:
    """Where logs are: the UI's server has one address for them, the API's server another."""
    query = {"podname": pod, "runid": run_id, "podnamespace": server.access.namespace}
    return (
        f"/k8s/pod/logs?{urlencode(query)}",
        f"/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log",
    )


def _file(server: Server, address: str) -> str:
    """Where the UI's server gives a file of the object store."""
    place = urlsplit(address)
    query = {"source": place.scheme, "bucket": place.netloc, "key": place.path.lstrip("/")}
    if server.namespace:
        query["namespace"] = server.namespace
    return f"/artifacts/get?{urlencode(query)}"


def _get(server: Server, route: str) -> list[str]:
    with server.doing("reading the log"):
        kind, text = server.read(route)
    if "html" in kind or text.lstrip().startswith("<!doctype html"):
        raise Refusal("a web page instead of a log", SERVER)
    if text.startswith('{"error_message"'):
        # The API's server starts its answer with 200 before it has looked for the pod.
        raise Refusal("no such pod", SERVER)
    return text.splitlines()
