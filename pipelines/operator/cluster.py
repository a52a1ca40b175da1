"""Kubernetes below a Kubeflow server, where this machine may ask it."""

import os
import re
from typing import Any

from pipelines.names import CONFIG_MAP
from pipelines.refusal import SERVER, Refusal


def configure() -> None:
    """Take the pod's own rights, or those of the current kubectl context.

    Raises:
        Refusal: If there is neither.
    """
    import yaml
    from kubernetes import config

    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config()
        else:
            config.load_kube_config()
    except yaml.YAMLError as error:
        raise Refusal("the configuration of kubectl here is no YAML", SERVER) from error
    except (config.ConfigException, OSError) as error:
        raise Refusal("no Kubernetes configured here", SERVER) from error


def setting(namespace: str, key: str) -> str:
    """What `infra/` told the runs of a namespace; empty where it did not, or we may not read it."""
    import urllib3
    from kubernetes import client

    try:
        configure()
        found = client.CoreV1Api().read_namespaced_config_map(
            CONFIG_MAP, namespace, _request_timeout=(5, 10)
        )
    except (Refusal, client.ApiException, urllib3.exceptions.HTTPError, OSError, ValueError):
        return ""
    return str((found.data or {}).get(key, ""))


def waiting(pod: Any) -> str:
    """Why a pod does not run yet, in Kubernetes' words; empty where it says nothing."""
    if pod.status.phase != "Pending":
        return ""
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return reason(condition.message)
    started = (pod.status.init_container_statuses or []) + (pod.status.container_statuses or [])
    for container in started:
        state = container.state.waiting if container.state is not None else None
        if state is not None and state.message:
            return reason(f"{state.reason}: {state.message}")
    return ""


_PREEMPTION = re.compile(r"(?<=\.) (no new claims to deallocate, )?preemption: .*")


def reason(message: str | None) -> str:
    """A reason of Kubernetes' in a line: what a pod waits for, not whom it could not drive out."""
    return _PREEMPTION.sub("", " ".join((message or "").split()))
