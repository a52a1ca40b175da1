"""What a cluster gives a step under names of our own, because KFP may give it the same itself.

KFP puts its own proxies into every step's container, and its MLflow plugin its own MLflow, as
plain values. A variable that is to come from a ConfigMap or a Secret under the same name, though it
may be absent there, is merged with such a value into one that Kubernetes refuses, and the pod too.
"""

import os

PREFIX = "DEFECTORY_GIVEN_"

SHARED = frozenset(
    {
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
        "HTTPS_PROXY",
        "NO_PROXY",
    }
)
"""Variables that KFP 2.17 may set in a step's container."""

_MLFLOW = "MLFLOW_TRACKING_URI"


def variable(name: str) -> str:
    """The variable by which a step's container is given what libraries know as `name`."""
    return PREFIX + name if name in SHARED else name


def take() -> None:
    """Put what the container was given where libraries look for it, unless KFP has been there."""
    # Credentials go with the server they are for.
    plugin = _MLFLOW in os.environ
    for name in sorted(SHARED):
        value = os.environ.get(variable(name))
        if value is None:
            continue
        if name.startswith("MLFLOW_"):
            if not plugin:
                os.environ[name] = value
        else:
            os.environ.setdefault(name, value)
