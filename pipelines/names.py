"""Names that the compiled package and the cluster agree on; `infra/` is tested against them.

Pods of a KFP run live in KFP's own namespace, so the claim, the service account, the config map
and the secrets named here must exist there. Secrets and keys of the config map are optional.
"""

from collections.abc import Mapping
from types import MappingProxyType

from components.placement.place import GPU as GPU
from components.placement.place import POOL as POOL
from components.placement.place import SPOT as SPOT

NAMESPACE = "kubeflow"
"""Namespace of KFP, where the pods of a run live."""

OWN_NAMESPACE = "defectory"
"""Namespace of what we bring ourselves: MLflow, its database and its object store."""

PIPELINE = "defectory-valvano"
"""Name of the pipeline in KFP."""

SERVICE_ACCOUNT = "defectory-runner"
"""Service account of a run's pods."""

STORE_CLAIM = "defectory-store"
"""Persistent volume claim with finished results, checkpoints and partial images."""

STORE_MOUNT = "/store"
"""Where a pod finds that claim."""

CONFIG_MAP = "defectory"
"""Config map with what differs from cluster to cluster."""

CONFIG_KEYS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "DEFECTORY_UI_URL",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "CLEANFID_WEIGHTS",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
)
"""Keys of the config map, each what a step knows as the environment variable of that name."""

MLFLOW_ACCESS = "defectory-mlflow"
WEBHOOK_ACCESS = "defectory-webhook"
DATA_ACCESS = "defectory-data"

SECRETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        MLFLOW_ACCESS: (
            "MLFLOW_TRACKING_USERNAME",
            "MLFLOW_TRACKING_PASSWORD",
            "MLFLOW_TRACKING_TOKEN",
        ),
        WEBHOOK_ACCESS: ("DEFECTORY_WEBHOOK",),
        DATA_ACCESS: (
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "HF_TOKEN",
            "DEFECTORY_GIT_CREDENTIALS",
        ),
    }
)
"""Secrets and their keys, each what a step knows as the environment variable of that name."""

ASKPASS = "/opt/defectory/components/data_versioning/askpass.py"
"""The program in our images that answers git from `DEFECTORY_GIT_CREDENTIALS`."""

PART_OF = "defectory"
"""Value of the label `app.kubernetes.io/part-of` of everything of ours."""

SAMPLE = "data.dvc"
"""The project's own photos as a pod finds them: in the image, where its processes start."""
