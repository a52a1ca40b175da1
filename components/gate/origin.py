"""Which pipeline, and which version of it, a run on a cluster was made from.

KFP's own MLflow plugin sets the same tags.
"""

from components.kubeflow import described


def origin(run: str) -> dict[str, str]:
    """The tags of a run's pipeline and version; none where KFP's API does not tell.

    Args:
        run: Id of the run in KFP.
    """
    made_from = described(run).get("pipeline_version_reference") or {}
    keys = ("pipeline_id", "pipeline_version_id")
    return {f"kfp.{key}": str(made_from[key]) for key in keys if made_from.get(key)}
