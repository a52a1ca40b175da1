"""KFP component of phase 2, learning the condition."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("diffusion"), install_kfp_package=False)
def hypernetwork(
    dataset: dsl.Input[dsl.Dataset],
    drivers: dsl.Input[dsl.Dataset],
    concept: dsl.Input[dsl.Model],
    fraction: float,
    token: str,
    seed: int,
    steps: int,
    settings: str,
    code: str,
    control: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
):
    """Phase 2: train the copy that reads the driver and steers the frozen model.

    Args:
        dataset: The dataset artifact.
        drivers: The drivers of the annotated training frames.
        concept: The model of phase 1, frozen but for its decoder where that is unlocked.
        fraction: Fraction of the real data to train on.
        token: Rare word that names the concept.
        seed: Seed of the training.
        steps: Optimiser steps; replaces that of the settings.
        settings: The step's settings as JSON.
        code: Digest of the step's code.
        control: The hypernetwork, a diffusers ControlNet, and the UNet where it was unlocked.
        metrics: Final losses.
        page: Samples and losses, for the UI.
    """
    from components.fraction import percent
    from components.task import run
    from components.valvano.hypernetwork.settings import HyperNetworkSettings

    run(
        "components.valvano.hypernetwork.train:train",
        name="hypernetwork",
        label=f"hypernetwork {percent(fraction)}",
        settings=HyperNetworkSettings.read(settings, steps=steps),
        inputs={"dataset": dataset, "drivers": drivers, "concept": concept},
        output=control,
        metrics=metrics,
        page=page,
        scalars={"fraction": float(fraction), "token": token, "seed": seed},
        code=code,
    )
