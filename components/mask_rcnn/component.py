"""KFP components of the segmenter."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("detection"), install_kfp_package=False)
def mask_rcnn(
    dataset: dsl.Input[dsl.Dataset],
    synthetic: dsl.Input[dsl.Dataset],
    experiment: dict,
    seed: int,
    steps: int,
    settings: str,
    digest: str,
    code: str,
    network: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
):
    """Train Mask R-CNN in one regime and predict the held-out parts.

    Args:
        dataset: The dataset artifact.
        synthetic: The synthetic set of the fraction of the real data to train on.
        experiment: `regime` of the training, and which `repeat` of it this is.
        seed: Seed of the run; every repeat takes the next one.
        steps: Optimiser steps; replaces that of the settings.
        settings: The step's settings as JSON.
        digest: Content digest of the file of weights to start from; empty without one.
        code: Digest of the step's code.
        network: The trained segmenter and its predictions.
        metrics: Scores on the validation part.
        page: Predictions on the validation part, for the UI.
    """
    from components.fraction import fraction_of, percent
    from components.mask_rcnn.settings import MaskRCNNSettings
    from components.task import run

    fraction = fraction_of(synthetic)
    regime, seed = str(experiment["regime"]), seed + int(experiment["repeat"])
    run(
        "components.mask_rcnn.train:train",
        name="mask_rcnn",
        label=f"mask_rcnn {percent(fraction)} {regime.replace('_', ' ')}, seed {seed}",
        settings=MaskRCNNSettings.read(settings, steps=steps, digest=digest),
        inputs={"dataset": dataset} | ({} if regime == "real" else {"synthetic": synthetic}),
        output=network,
        metrics=metrics,
        page=page,
        scalars={"fraction": fraction, "regime": regime, "seed": seed},
        patient=True,
        code=code,
    )


@dsl.component(base_image=image("detection"), install_kfp_package=False)
def judge(
    dataset: dsl.Input[dsl.Dataset],
    fraction: float,
    seed: int,
    steps: int,
    settings: str,
    digest: str,
    code: str,
    network: dsl.Output[dsl.Model],
    page: dsl.Output[dsl.HTML],
):
    """Train the segmenter on real photos that later says whether synthetic defects are there.

    It is the `real` regime of `mask_rcnn`, and one and the same training in the store.

    Args:
        dataset: The dataset artifact.
        fraction: Fraction of the real data to train on, the largest of the run.
        seed: Seed of the training.
        steps: Optimiser steps; replaces that of the settings.
        settings: The step's settings as JSON.
        digest: Content digest of the file of weights to start from; empty without one.
        code: Digest of the step's code.
        network: The trained segmenter and its predictions.
        page: Predictions on the validation part, for the UI.
    """
    from components.fraction import percent
    from components.mask_rcnn.settings import MaskRCNNSettings
    from components.task import run

    run(
        "components.mask_rcnn.train:train",
        name="mask_rcnn",
        label=f"mask_rcnn {percent(fraction)} real, seed {seed}, the judge",
        settings=MaskRCNNSettings.read(settings, steps=steps, digest=digest),
        inputs={"dataset": dataset},
        output=network,
        page=page,
        scalars={"fraction": float(fraction), "regime": "real", "seed": seed},
        alone=True,
        code=code,
    )
