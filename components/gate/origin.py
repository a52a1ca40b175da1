"""Which pipeline, and which version of it, a run on a cluster was made from.

KFP tells a pod its run, not its pipeline; its API does, and Kubernetes names the API's address in
the environment of every pod beside it. KFP's own MLflow plugin sets the same tags.
"""

import json
import os
from urllib.parse import quote
from urllib.request import urlopen

HOST, PORT = "ML_PIPELINE_SERVICE_HOST", "ML_PIPELINE_SERVICE_PORT"
_TIMEOUT = 5.0


def origin(run: str) -> dict[str, str]:
    """The tags of a run's pipeline and version; none where the API does not tell.

    Args:
        run: Id of the run in KFP.
    """
    if not os.environ.get(HOST):
        return {}
    address = f"http://{os.environ[HOST]}:{os.environ.get(PORT, '8888')}"
    try:
        with urlopen(f"{address}/apis/v2beta1/runs/{quote(run)}", timeout=_TIMEOUT) as answer:  # noqa: S310
            made_from = json.load(answer).get("pipeline_version_reference") or {}
    except (OSError, ValueError):
        return {}
    keys = ("pipeline_id", "pipeline_version_id")
    return {f"kfp.{key}": str(made_from[key]) for key in keys if made_from.get(key)}
