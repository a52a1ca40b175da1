"""KFP components of phase 1: the class images, and the training on the concept."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("diffusion"), install_kfp_package=False)
def prior(
    base: dsl.Input[dsl.Model],
    noun: str,
    resolution: int,
    seed: int,
    settings: str,
    code: str,
    images: dsl.Output[dsl.Dataset],
    page: dsl.Output[dsl.HTML],
):
    """Draw the class images for prior preservation with the base model's own sampler.

    Args:
        base: The base model.
        noun: Class noun of the domain.
        resolution: Side of the images, pixels.
        seed: Seed of the images.
        settings: The step's settings as JSON.
        code: Digest of the step's code.
        images: The class images.
        page: Some class images, for the UI.
    """
    from components.task import run
    from components.valvano.dreambooth.settings import PriorSettings

    run(
        "components.valvano.dreambooth.prior:draw_prior",
        name="prior",
        settings=PriorSettings.read(settings),
        inputs={"base": base},
        output=images,
        page=page,
        scalars={"noun": noun, "resolution": resolution, "seed": seed},
        alone=True,
        code=code,
    )


@dsl.component(base_image=image("diffusion"), install_kfp_package=False)
def dreambooth(
    dataset: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    prior_images: dsl.Input[dsl.Dataset],
    fraction: float,
    token: str,
    noun: str,
    seed: int,
    steps: int,
    settings: str,
    code: str,
    concept: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
):
    """Phase 1: teach the base model the concept, with class-specific prior preservation.

    Args:
        dataset: The dataset artifact.
        base: The base model.
        prior_images: The class images.
        fraction: Fraction of the real data to train on.
        token: Rare word that names the concept.
        noun: Class noun of the domain.
        seed: Seed of the training.
        steps: Optimiser steps; replaces that of the settings.
        settings: The step's settings as JSON.
        code: Digest of the step's code.
        concept: The fine-tuned model, a folder in the diffusers format.
        metrics: Final losses.
        page: Samples and losses, for the UI.
    """
    from components.fraction import percent
    from components.task import run
    from components.valvano.dreambooth.settings import DreamBoothSettings

    run(
        "components.valvano.dreambooth.train:train",
        name="dreambooth",
        label=f"dreambooth {percent(fraction)}",
        settings=DreamBoothSettings.read(settings, steps=steps),
        inputs={"dataset": dataset, "base": base, "prior": prior_images},
        output=concept,
        metrics=metrics,
        page=page,
        scalars={"fraction": float(fraction), "token": token, "noun": noun, "seed": seed},
        code=code,
    )
