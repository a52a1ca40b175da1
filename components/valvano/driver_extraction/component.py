"""KFP component of the driver extraction."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def driver_extraction(
    dataset: dsl.Input[dsl.Dataset],
    settings: str,
    code: str,
    drivers: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
):
    """Make the topological driver of every annotated training frame.

    Args:
        dataset: The dataset artifact.
        settings: The step's settings as JSON.
        code: Digest of the step's code.
        drivers: The drivers and the recipe they were made by.
        metrics: Number of drivers and how much of them is structure.
        page: Some drivers, for the UI.
    """
    from components.task import run
    from components.valvano.driver_extraction.settings import DriverSettings

    run(
        "components.valvano.driver_extraction.extract:extract",
        name="driver_extraction",
        settings=DriverSettings.read(settings),
        inputs={"dataset": dataset},
        output=drivers,
        metrics=metrics,
        page=page,
        code=code,
    )
