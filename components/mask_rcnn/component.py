"""KFP components of the segmenter."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("detection"), install_kfp_package=False)
def mask_rcnn(
    dataset: dsl.Input[dsl.Dataset],
    synthetic: dsl.Input[dsl.Dataset],
    fraction: float,
    experiment: dict,
    settings: str,
    network: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
):
    """Train Mask R-CNN in one regime and let it predict the held-out parts.

    Args:
        dataset: The dataset artifact.
        synthetic: The synthetic set of this fraction.
        fraction: Fraction of the real data to train on.
        experiment: `regime` and `seed` of the training.
        settings: The step's settings as JSON.
        network: The trained segmenter and its predictions.
        metrics: Scores on the validation part.
    """
    from components.fraction import percent
    from components.mask_rcnn.settings import MaskRCNNSettings
    from components.task import run

    regime, seed = str(experiment["regime"]), int(experiment["seed"])
    run(
        "components.mask_rcnn.train:train",
        name="mask_rcnn",
        label=f"mask_rcnn {percent(fraction)} {regime.replace('_', ' ')}, seed {seed}",
        settings=MaskRCNNSettings.model_validate_json(settings),
        inputs={"dataset": dataset} | ({} if regime == "real" else {"synthetic": synthetic}),
        output=network,
        metrics=metrics,
        scalars={"fraction": float(fraction), "regime": regime, "seed": seed},
    )


@dsl.component(base_image=image("detection"), install_kfp_package=False)
def judge(
    dataset: dsl.Input[dsl.Dataset],
    fraction: float,
    seed: int,
    settings: str,
    network: dsl.Output[dsl.Model],
):
    """Train the segmenter on real photos that later says whether synthetic defects are there.

    It is the `real` regime of `mask_rcnn`, and one and the same training in the store.

    Args:
        dataset: The dataset artifact.
        fraction: Fraction of the real data to train on, the largest of the run.
        seed: Seed of the training.
        settings: The step's settings as JSON.
        network: The trained segmenter and its predictions.
    """
    from components.fraction import percent
    from components.mask_rcnn.settings import MaskRCNNSettings
    from components.task import run

    run(
        "components.mask_rcnn.train:train",
        name="mask_rcnn",
        label=f"mask_rcnn {percent(fraction)} real, seed {seed}, the judge",
        settings=MaskRCNNSettings.model_validate_json(settings),
        inputs={"dataset": dataset},
        output=network,
        scalars={"fraction": float(fraction), "regime": "real", "seed": seed},
    )
