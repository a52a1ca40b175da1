"""A Kubeflow Pipelines server, through its own client."""

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import kfp_server_api
import urllib3
from kfp import client as kfp_client
from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials

from pipelines.names import NAMESPACE
from pipelines.operator.access import Access
from pipelines.operator.cluster import setting
from pipelines.operator.failure import GARBAGE, ServerRefusal, explain
from pipelines.refusal import BAD_INPUT, Refusal

OLDEST = (2, 17)
"""The package needs what this release of the backend brought."""

_UNUSABLE = (
    "the configuration of kubectl, or of the pod, that there is here cannot be used: see what "
    "kubectl cluster-info says, or give --endpoint URL"
)
UI = "DEFECTORY_UI_URL"
"""Key of the runs' ConfigMap with the address of KFP's UI."""

_THROUGH = ("/services/ml-pipeline:http/", "/services/ml-pipeline-ui:http/")
"""Of addresses through Kubernetes' API: KFP's API, and its UI, which is another service."""

_CONNECT_SECONDS = 10.0
_PAGE = 100


class Server:
    """What the commands need of a server.

    Attributes:
        access: How it is asked.
        api: KFP's client.
        namespace: Namespace that the server wants to be told; None where it has one for all.
    """

    def __init__(self, access: Access) -> None:
        """Connect, and check that it is a server we can work with.

        Raises:
            ServerRefusal: If there is none, it refuses, or it is of another version.
        """
        self.access = access
        try:
            with self.doing("connecting"):
                self.api = _client(access)
                health = self._health()
        except ServerRefusal as refusal:
            if refusal.status != 404:
                raise
            raise ServerRefusal(
                f"{access.where} has no /apis/v2beta1: check --endpoint, or upgrade the server to "
                "Kubeflow Pipelines 2.17"
            ) from refusal
        self.version = str(health.get("tag_name", ""))
        _check_version(self.version, access)
        several = health.get("multi_user") is True
        if several and not access.given_namespace:
            raise Refusal(
                f"{access.where} gives every user a namespace: name yours with --namespace",
                BAD_INPUT,
            )
        self.namespace = access.namespace if several else None

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Turn errors of the client inside into a sentence.

        Raises:
            ServerRefusal: For every such error.
        """
        try:
            yield
        except (kfp_server_api.ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise explain(error, self.access, what) from error
        except GARBAGE as error:
            raise explain(error, self.access, what) from error

    def pages(
        self, what: str, call: Callable[..., Any], field: str, *, size: int = 0, **query: Any
    ) -> Iterator[Any]:
        """Everything that a list of the API holds, page by page.

        Args:
            what: What this is for, for people.
            call: The method of the client.
            field: Name of the list in its answer.
            size: How many are wanted, so that a page need not be larger; 0 for all.
            query: Its other parameters.
        """
        token = ""
        while True:
            with self.doing(what):
                page = call(page_token=token, page_size=min(size or _PAGE, _PAGE), **query)
                items = list(getattr(page, field) or [])
                if not all(
                    any(one is not None for one in item.to_dict().values()) for item in items
                ):
                    raise ValueError(f"its list of {field.replace('_', ' ')} is none")
                token = page.next_page_token or ""
            yield from items
            if not token:
                return

    def read(self, route: str) -> tuple[str, str]:
        """What the server answers to a route that the generated client does not have.

        Args:
            route: One of KFP's API, below `/apis/`, or else of the UI's server.

        Returns:
            The kind of the content, and the content.
        """
        connection = self.api.runs.run_service_get_run.__self__.api_client
        headers: dict[str, str] = dict(connection.default_headers)
        if connection.cookie:
            headers["Cookie"] = connection.cookie
        connection.update_params_for_auth(headers, [], ["Bearer"])
        root = connection.configuration.host
        if not route.startswith("/apis/"):
            root = root.replace(*_THROUGH)
        response = connection.rest_client.GET(root + route, headers=headers, _preload_content=False)
        text = response.data.decode("utf-8", errors="replace")
        return response.headers.get("content-type", ""), text

    def link(self, kind: str, identity: str) -> str:
        """Address in the UI of a run (`runs`), a schedule (`recurringrun`) or a pipeline.

        Its place in the UI alone, where nobody says where that is.
        """
        place = f"#/{kind}/details/{identity}"
        return f"{self._ui}/{place}" if self._ui else place

    @cached_property
    def _ui(self) -> str:
        known = self.access.ui or self.access.endpoint
        return known or setting(self.access.namespace, UI).rstrip("/")

    def _health(self) -> dict[str, Any]:
        """What the server says of itself; the generated model leaves the version out."""
        response = self.api.healthzs.healthz_service_get_healthz(_preload_content=False)
        fields = json.loads(response.data)
        if not isinstance(fields, dict) or not {"multi_user", "commit_sha"} & set(fields):
            raise ValueError("its /apis/v2beta1/healthz says something else")
        return fields


class _Client(kfp_client.Client):
    """KFP's client, asking for the server's health once instead of five times in 25 seconds."""

    seconds = 60.0

    def _load_config(self, *arguments: Any, **named: Any) -> Any:
        config = super()._load_config(*arguments, **named)
        if config.host == kfp_server_api.Configuration().host and config.host not in arguments:
            # It has found no address, has said so in a line that nobody sees, and goes on.
            raise ServerRefusal(_UNUSABLE)
        # For a kubectl context it ends in a slash, and every path starts with one.
        host = config.host = config.host.rstrip("/")
        renew = config.refresh_api_key_hook

        def renewed(current: Any) -> None:
            renew(current)
            # Kubernetes' client renews the whole configuration, and so would take the requests
            # from KFP, behind the proxy of Kubernetes' API, to that API itself.
            current.host, current.refresh_api_key_hook = host, renewed

        if renew is not None:
            config.refresh_api_key_hook = renewed
        return config

    def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
        """The server's health."""
        return self._healthz_api.healthz_service_get_healthz(
            _request_timeout=(_CONNECT_SECONDS, self.seconds)
        )


def _client(access: Access) -> _Client:
    host = access.endpoint
    inside = "KUBERNETES_SERVICE_HOST" in os.environ
    if access.token and not host:
        # Given a token and no host, the client would send the token to localhost.
        if not inside:
            raise ServerRefusal("a token needs an address that it is for: give --endpoint")
        host = f"http://ml-pipeline.{NAMESPACE}.svc.cluster.local:8888"
    if not (host or inside):
        _check_kubeconfig()
    _Client.seconds = access.seconds
    with _quiet():
        client = _Client(
            host=host or None,
            namespace=access.namespace,
            existing_token=access.token or None,
            cookies=access.cookies or None,
            credentials=_credentials(access),
            ssl_ca_cert=access.authority or None,
            verify_ssl=access.verify,
        )
    connection = client._run_api.api_client
    for name, value in access.headers.items():
        connection.set_default_header(name, value)
    _guard(connection.rest_client, access.seconds)
    return client


def _credentials(access: Access) -> ServiceAccountTokenVolumeCredentials | None:
    if access.token_volume is None:
        return None
    return ServiceAccountTokenVolumeCredentials(str(access.token_volume))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client's prints, warnings and log lines from the terminal; errors are raised."""
    for name in ("urllib3", "kfp", "kubernetes"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    urllib3.disable_warnings()
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _guard(rest: Any, seconds: float) -> None:
    """Bound every request in time, and take no answer that is not JSON.

    By itself the client waits for ever, and reads a web page as an empty answer.
    """
    request = rest.request

    def guarded(*arguments: Any, **named: Any) -> Any:
        named["_request_timeout"] = named.get("_request_timeout") or (_CONNECT_SECONDS, seconds)
        response = request(*arguments, **named)
        if named.get("_preload_content", True) and not isinstance(json.loads(response.data), dict):
            raise ValueError("no JSON object")
        return response

    rest.request = guarded
    pools = rest.pool_manager
    pools.connection_pool_kw["retries"] = urllib3.Retry(3, read=1, backoff_factor=0.2)
    pools.clear()


def _check_kubeconfig() -> None:
    """Make sure that there is a kubectl context; the client would go on with localhost.

    Raises:
        ServerRefusal: If there is none.
    """
    import yaml
    from kubernetes import config

    try:
        config.list_kube_config_contexts()
    except yaml.YAMLError as error:
        raise ServerRefusal(_UNUSABLE) from error
    except (config.ConfigException, OSError) as error:
        raise ServerRefusal(
            "no Kubeflow server named, and no Kubernetes cluster configured here: give --endpoint "
            "URL or KF_PIPELINES_ENDPOINT; for a server in a cluster, kubectl -n kubeflow "
            "port-forward svc/ml-pipeline-ui 8080:80 and --endpoint http://localhost:8080"
        ) from error


def _check_version(version: str, access: Access) -> None:
    parts = version.removeprefix("v").split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        return  # builds of one's own do not say
    if (int(parts[0]), int(parts[1])) < OLDEST or int(parts[0]) != OLDEST[0]:
        wanted = ".".join(map(str, OLDEST))
        raise ServerRefusal(
            f"{access.where} is Kubeflow Pipelines {version}, and this is made "
            f"for {wanted} and later 2.x: upgrade the server, or use a release of defectory made "
            "for it"
        )
