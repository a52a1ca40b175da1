"""KFP components of the synthesis: its plan, the shards that draw it, and their merge."""

from kfp import dsl

from components.image import image


@dsl.component(base_image=image("data"), install_kfp_package=False)
def plan(
    dataset: dsl.Input[dsl.Dataset],
    drivers: dsl.Input[dsl.Dataset],
    fraction: float,
    token: str,
    seed: int,
    settings: str,
    planned: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
):
    """Decide every synthetic image before any is drawn.

    Args:
        dataset: The dataset artifact.
        drivers: The drivers, for their recipe.
        fraction: Fraction of the real data whose masks may be used.
        token: Rare word that names the concept.
        seed: Seed of the plan.
        settings: The step's settings as JSON.
        planned: One row an image: photo, augmentation, mask, placement, class, prompt, seed.
        metrics: Coverage of the plan.
    """
    from components.fraction import percent
    from components.task import run
    from components.valvano.synthesis.settings import PlanSettings

    run(
        "components.valvano.synthesis.plan:make_plan",
        name="plan",
        label=f"plan {percent(fraction)}",
        settings=PlanSettings.model_validate_json(settings),
        inputs={"dataset": dataset, "drivers": drivers},
        output=planned,
        metrics=metrics,
        scalars={"fraction": float(fraction), "token": token, "seed": seed},
    )


@dsl.component(base_image=image("diffusion"), install_kfp_package=False)
def synthesis(
    dataset: dsl.Input[dsl.Dataset],
    drivers: dsl.Input[dsl.Dataset],
    planned: dsl.Input[dsl.Dataset],
    concept: dsl.Input[dsl.Model],
    control: dsl.Input[dsl.Model],
    fraction: float,
    shard: int,
    shards: int,
    settings: str,
    images: dsl.Output[dsl.Dataset],
):
    """Draw one shard of the plan.

    Args:
        dataset: The dataset artifact.
        drivers: The drivers, for their recipe.
        planned: The plan.
        concept: The model of phase 1.
        control: The hypernetwork of phase 2.
        fraction: Fraction of the real data that the models were trained on.
        shard: Number of this shard, from 0.
        shards: Number of shards.
        settings: The step's settings as JSON.
        images: The shard's images.
    """
    from components.fraction import percent
    from components.task import run
    from components.valvano.synthesis.settings import SynthesisSettings

    run(
        "components.valvano.synthesis.draw:draw",
        name="synthesis",
        label=f"synthesis {percent(fraction)}, shard {shard + 1} of {shards}",
        settings=SynthesisSettings.model_validate_json(settings),
        inputs={
            "dataset": dataset,
            "drivers": drivers,
            "plan": planned,
            "concept": concept,
            "control": control,
        },
        output=images,
        scalars={"shard": int(shard), "shards": int(shards)},
    )


@dsl.component(base_image=image("data"), install_kfp_package=False)
def synthetic_set(
    dataset: dsl.Input[dsl.Dataset],
    drivers: dsl.Input[dsl.Dataset],
    planned: dsl.Input[dsl.Dataset],
    parts: dsl.Input[list[dsl.Dataset]],
    fraction: float,
    synthetic: dsl.Output[dsl.Dataset],
):
    """Merge the shards into one set: images, COCO annotations, provenance.

    Args:
        dataset: The dataset artifact.
        drivers: The drivers, for their recipe.
        planned: The plan.
        parts: The shards' images.
        fraction: Fraction of the real data that the set was made from.
        synthetic: The synthetic set.
    """
    from components.fraction import percent
    from components.settings import Settings
    from components.task import run

    run(
        "components.valvano.synthesis.merge:merge",
        name="synthetic_set",
        label=f"synthetic set {percent(fraction)}",
        settings=Settings(),
        inputs={"dataset": dataset, "drivers": drivers, "plan": planned, "parts": parts},
        output=synthetic,
        scalars={"fraction": float(fraction)},
    )
