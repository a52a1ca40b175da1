"""KFP component of the publication."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def publication(run: str, report: dsl.Input[dsl.Artifact], table: dsl.Output[dsl.Markdown]):
    """Keep that all steps of the run are done, and put its report to the run in MLflow.

    It registers something outside the pipeline, so it is never taken from a cache.

    Args:
        run: Id of the run in KFP.
        report: `report.html`, `summary.json` and `overview.png`.
        table: What was registered, for the UI.
    """
    from pathlib import Path

    from components.publication.publish import publish

    publish(run, Path(report.path), Path(table.path))
