"""The pods of a run in Kubernetes, and their logs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import urllib3

from pipelines.operator.cluster import configure, waiting
from pipelines.operator.failure import GARBAGE
from pipelines.operator.nodes import Place, place_of, step_of
from pipelines.operator.server import Server
from pipelines.operator.source import where
from pipelines.refusal import SERVER, Refusal

NOT_STARTED = "has not started yet; try again, or look at the pod's events"

_RUN_LABEL = "pipeline/runid"
_NODE = "workflows.argoproj.io/node-name"
_MAIN = "main"
_LOG = "/api/v1/namespaces/{namespace}/pods/{name}/log"


class NotStarted(Refusal):
    """There is no log yet: the container has not started."""


class Gone(Refusal):
    """There is no such pod, any more or at all."""


class Passing(Refusal):
    """Kubernetes is away for a while, or broke off."""


class Unreached(Passing):
    """Nothing at all came from where Kubernetes should be."""


@dataclass(frozen=True)
class Reading:
    """How a log is to be read.

    Attributes:
        seconds: How long Kubernetes may say nothing.
        follow: Whether to read on while the container runs.
        tail: Lines from the end; 0 for all.
        timed: Whether every line begins with its time.
        since: Whole second, in UTC, of the first lines; empty for all.
    """

    seconds: float
    follow: bool = False
    tail: int = 0
    timed: bool = False
    since: str = ""


@dataclass(frozen=True)
class Pod:
    """A pod in Kubernetes, whose log is that of one try of one task.

    Attributes:
        identity: Tells it from others, also from one of the same name that was made in its place.
        phase: Kubernetes' word for how far it is.
        waits: Why it has not started, as far as Kubernetes says.
        place: Where in the run it is; None for what KFP runs itself.
        step: Name of the step's task.
        where: The loops it is in, which try it is and what it is called, for people.
        read: Gives the lines of its log; raises NotStarted, Gone, Passing, or another Refusal.
    """

    identity: str
    phase: str
    waits: str
    place: Place | None
    step: str
    where: str
    read: Callable[[Reading], Iterator[str]]

    @property
    def told_of(self) -> bool:
        """Whether people want its log: what KFP runs itself only where it failed."""
        return self.place is not None or self.phase == "Failed"


@dataclass(frozen=True)
class Listed:
    """What Kubernetes has of a run.

    Attributes:
        pods: Its pods, the oldest first.
        where: Where they were looked for, for people.
    """

    pods: list[Pod]
    where: str


def listed(server: Server, identity: str) -> Listed:
    """The pods of a run that Kubernetes has.

    Args:
        server: Where the run is.
        identity: The run's id.

    Raises:
        Passing: If Kubernetes is away for a while.
        Refusal: If it cannot be asked.
    """
    from kubernetes import client
    from kubernetes.client.exceptions import ApiException

    configure()
    settings = client.Configuration.get_default_copy()
    # By itself the client waits four times as long as it is told to.
    settings.retries = urllib3.Retry(2, read=0, backoff_factor=0.2)
    core = client.CoreV1Api(client.ApiClient(settings))
    namespace = server.access.namespace
    host = core.api_client.configuration.host
    try:
        found = core.list_namespaced_pod(
            namespace, label_selector=f"{_RUN_LABEL}={identity}", _request_timeout=(5, 30)
        ).items
        found.sort(key=lambda pod: (str(pod.metadata.creation_timestamp), pod.metadata.name))
        pods = [_pod(core, namespace, one) for one in found]
    except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _refusal(error, f"Kubernetes: {_said(error)}") from error
    except GARBAGE as error:
        raise Refusal(f"Kubernetes: {_no_kubernetes(host)}", SERVER) from error
    return Listed(pods, f"namespace {namespace!r} of {host}")


def _pod(core: Any, namespace: str, pod: Any) -> Pod:
    name, phase = pod.metadata.name, pod.status.phase
    node = (pod.metadata.annotations or {}).get(_NODE, "")
    place = place_of(node)
    path, attempt = place if place is not None else ((step_of(node),), 0)
    waits = waiting(pod)
    return Pod(
        identity=pod.metadata.uid,
        phase=phase,
        waits=waits,
        place=place,
        step=path[-1],
        where=where(path, attempt, f"{name}, {phase}{': ' if waits else ''}{waits}"),
        read=lambda reading: _lines(core, namespace, name, reading),
    )


def _lines(core: Any, namespace: str, name: str, reading: Reading) -> Iterator[str]:
    from kubernetes.client.exceptions import ApiException

    query = [
        ("container", _MAIN),
        ("follow", "true" if reading.follow else ""),
        ("tailLines", str(reading.tail or "")),
        ("timestamps", "true" if reading.timed else ""),
        ("sinceTime", reading.since),
    ]
    try:
        # The generated method knows no sinceTime.
        response = core.api_client.call_api(
            _LOG,
            "GET",
            {"namespace": namespace, "name": name},
            [(key, value) for key, value in query if value],
            {"Accept": "application/json, */*"},
            auth_settings=["BearerToken"],
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=(5, reading.seconds),
        )
        try:
            if "html" in response.headers.get("content-type", ""):
                host = core.api_client.configuration.host
                raise Refusal(f"{name}: {_no_kubernetes(host)}", SERVER)
            yield from _whole(response, reading)
        finally:
            response.close()
    except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _refusal(error, f"{name}: {_said(error)}") from error


def _whole(response: Any, reading: Reading) -> Iterator[str]:
    """The lines of an answer."""
    rest = b""
    for piece in response.stream(amt=None):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", errors="replace")
    # Of a container that runs, half a line comes again as a whole one.
    if rest and not reading.follow:
        yield rest.decode("utf-8", errors="replace")


def _refusal(error: Exception, told: str) -> Refusal:
    status = getattr(error, "status", None)
    if status is None:
        return Unreached(told, SERVER)
    if status in (408, 429) or status >= 500:
        return Passing(told, SERVER)
    kinds = {400: NotStarted, 404: Gone}
    return kinds.get(status, Refusal)(told, SERVER)


def _said(error: Exception) -> str:
    status = getattr(error, "status", None)
    if status == 400:
        return NOT_STARTED
    if status == 401:
        return "does not accept the credentials of the kubeconfig; log in to the cluster again"
    if status == 403:
        return "does not allow reading pods there; ask for the rights get and list on pods/log"
    if status == 404:
        return "has no such pod or namespace; check --namespace"
    return f"cannot be reached ({f'HTTP {status}' if status else type(error).__name__})"


def _no_kubernetes(host: str) -> str:
    return (
        f"{host} answered with something that is not Kubernetes: check kubectl's current context, "
        "and log in to the cluster again"
    )
