"""KFP component of the evaluation of synthetic images."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("detection"), install_kfp_package=False)
def fid_evaluation(
    dataset: dsl.Input[dsl.Dataset],
    synthetic: dsl.Input[dsl.Dataset],
    segmenter: dsl.Input[dsl.Model],
    fraction: float,
    seed: int,
    settings: str,
    digest: str,
    code: str,
    quality: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
):
    """Score a synthetic set: distance to real photos, diversity, adherence to its masks.

    Args:
        dataset: The dataset artifact.
        synthetic: The synthetic set of this fraction.
        segmenter: The segmenter trained on real photos that judges adherence.
        fraction: Fraction of the real data that the set was made from.
        seed: Seed of the samples drawn here.
        settings: The step's settings as JSON.
        digest: Content digest of the Inception weights; empty where there are none.
        code: Digest of the step's code.
        quality: FID, KID, low-layer FID, diversity, adherence, each with its protocol.
        metrics: The finite ones.
        page: The best and the worst images and the numbers, for the UI.
    """
    from components.fid_evaluation.settings import FIDSettings
    from components.fraction import percent
    from components.task import run

    run(
        "components.fid_evaluation.evaluate:evaluate",
        name="fid_evaluation",
        label=f"fid_evaluation {percent(fraction)}",
        settings=FIDSettings.read(settings, digest=digest),
        inputs={"dataset": dataset, "synthetic": synthetic, "judge": segmenter},
        output=quality,
        metrics=metrics,
        page=page,
        scalars={"fraction": float(fraction), "seed": seed},
        code=code,
    )
