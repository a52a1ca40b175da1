"""KFP component of the report."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def report(
    dataset: dsl.Input[dsl.Dataset],
    drivers: dsl.Input[dsl.Dataset],
    prior_images: dsl.Input[dsl.Dataset],
    concepts: dsl.Input[list[dsl.Model]],
    controls: dsl.Input[list[dsl.Model]],
    plans: dsl.Input[list[dsl.Dataset]],
    synthetics: dsl.Input[list[dsl.Dataset]],
    scores: dsl.Input[list[dsl.Artifact]],
    qualities: dsl.Input[list[dsl.Artifact]],
    config: str,
    settings: str,
    code: str,
    files: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
):
    """Write the report and the summary of the whole run.

    Args:
        dataset: The dataset artifact.
        drivers: The drivers of the annotated training frames.
        prior_images: The class images.
        concepts: The models of phase 1, one a fraction.
        controls: The hypernetworks of phase 2, one a fraction.
        plans: The plans, one a fraction.
        synthetics: The synthetic sets, one a fraction.
        scores: The segmenters' scores, one a fraction.
        qualities: The synthetic sets' scores, one a fraction.
        config: The whole run's configuration as JSON.
        settings: The step's settings as JSON.
        code: Digest of the step's code.
        files: `report.html` and `summary.json`.
        metrics: The few numbers to compare runs by.
        page: The report, for the UI.
    """
    from components.report.settings import ReportSettings
    from components.task import run

    run(
        "components.report.write:write",
        name="report",
        settings=ReportSettings.read(settings),
        inputs={
            "dataset": dataset,
            "drivers": drivers,
            "prior": prior_images,
            "concepts": concepts,
            "controls": controls,
            "plans": plans,
            "synthetics": synthetics,
            "scores": scores,
            "qualities": qualities,
        },
        output=files,
        metrics=metrics,
        page=page,
        scalars={"config": config},
        code=code,
    )
