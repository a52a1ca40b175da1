"""KFP component of the evaluation of segmenters."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def iou_evaluation(
    dataset: dsl.Input[dsl.Dataset],
    networks: dsl.Input[list[dsl.Model]],
    fraction: float,
    seed: int,
    settings: str,
    code: str,
    scores: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
):
    """Score the segmenters of one fraction on the held-out test part.

    Args:
        dataset: The dataset artifact.
        networks: The segmenters, one for every regime and seed.
        fraction: The fraction of the real data that they were trained on.
        seed: Seed of the bootstrap.
        settings: The step's settings as JSON.
        code: Digest of the step's code.
        scores: mAP, IoU and Hausdorff distance with intervals, per class and overall.
        metrics: The overall numbers of every regime, means over the seeds.
        page: Pictures of its decisions and the numbers, for the UI.
    """
    from components.fraction import percent
    from components.iou_evaluation.settings import IoUSettings
    from components.task import run

    run(
        "components.iou_evaluation.evaluate:evaluate",
        name="iou_evaluation",
        label=f"iou_evaluation {percent(fraction)}",
        settings=IoUSettings.read(settings),
        inputs={"dataset": dataset, "networks": networks},
        output=scores,
        metrics=metrics,
        page=page,
        scalars={"fraction": float(fraction), "seed": seed},
        code=code,
    )
