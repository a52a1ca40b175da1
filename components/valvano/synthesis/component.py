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
    count: int,
    samples: int,
    shards: int,
    settings: str,
    code: str,
    planned: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
) -> list[int]:
    """Decide every synthetic image before any is drawn.

    Args:
        dataset: The dataset artifact.
        drivers: The drivers, for their recipe.
        fraction: Fraction of the real data whose masks may be used.
        token: Rare word that names the concept.
        seed: Seed of the plan.
        count: Images of the plan; replaces that of the settings.
        samples: Images drawn from one driver; replaces that of the settings.
        shards: Number of parts that the plan is drawn in.
        settings: The step's settings as JSON.
        code: Digest of the step's code.
        planned: One row an image: photo, augmentation, mask, placement, class, prompt, seed.
        metrics: Coverage of the plan.
        page: Some of the planned masks, and the plan's coverage, for the UI.

    Returns:
        Numbers of the shards, from 0, to loop over.
    """
    from components.fraction import percent
    from components.task import run
    from components.valvano.synthesis.settings import PlanSettings

    run(
        "components.valvano.synthesis.plan:make_plan",
        name="plan",
        label=f"plan {percent(fraction)}",
        settings=PlanSettings.read(settings, images=count, samples=samples),
        inputs={"dataset": dataset, "drivers": drivers},
        output=planned,
        metrics=metrics,
        page=page,
        scalars={"fraction": float(fraction), "token": token, "seed": seed},
        code=code,
    )
    return list(range(shards))


@dsl.component(base_image=image("diffusion"), install_kfp_package=False)
def synthesis(
    dataset: dsl.Input[dsl.Dataset],
    drivers: dsl.Input[dsl.Dataset],
    planned: dsl.Input[dsl.Dataset],
    concept: dsl.Input[dsl.Model],
    control: dsl.Input[dsl.Model],
    shard: int,
    shards: int,
    settings: str,
    code: str,
    images: dsl.Output[dsl.Dataset],
    page: dsl.Output[dsl.HTML],
):
    """Draw one shard of the plan.

    Args:
        dataset: The dataset artifact.
        drivers: The drivers, for their recipe.
        planned: The plan.
        concept: The model of phase 1.
        control: The hypernetwork of phase 2.
        shard: Number of this shard, from 0.
        shards: Number of shards.
        settings: The step's settings as JSON.
        code: Digest of the step's code.
        images: The shard's images.
        page: Some of the images, and how many they are, for the UI.
    """
    from components.fraction import fraction_of, percent
    from components.task import run
    from components.valvano.synthesis.settings import SynthesisSettings

    run(
        "components.valvano.synthesis.draw:draw",
        name="synthesis",
        label=f"synthesis {percent(fraction_of(planned))}, shard {shard + 1} of {shards}",
        settings=SynthesisSettings.read(settings),
        inputs={
            "dataset": dataset,
            "drivers": drivers,
            "plan": planned,
            "concept": concept,
            "control": control,
        },
        output=images,
        page=page,
        scalars={"shard": int(shard), "shards": int(shards)},
        code=code,
    )


@dsl.component(base_image=image("data"), install_kfp_package=False)
def synthetic_set(
    dataset: dsl.Input[dsl.Dataset],
    drivers: dsl.Input[dsl.Dataset],
    planned: dsl.Input[dsl.Dataset],
    parts: dsl.Input[list[dsl.Dataset]],
    fraction: float,
    seed: int,
    settings: str,
    code: str,
    synthetic: dsl.Output[dsl.Dataset],
    page: dsl.Output[dsl.HTML],
):
    """Merge the shards into one set: images, COCO annotations, provenance.

    Args:
        dataset: The dataset artifact.
        drivers: The drivers, for their recipe.
        planned: The plan.
        parts: The shards' images.
        fraction: Fraction of the real data that the set was made from.
        seed: Seed of the defect-free frames that masks are compared on.
        settings: The step's settings as JSON.
        code: Digest of the step's code.
        synthetic: The synthetic set.
        page: Sample images with their masks, for the UI.
    """
    from components.fraction import percent
    from components.task import run
    from components.valvano.synthesis.settings import SetSettings

    run(
        "components.valvano.synthesis.merge:merge",
        name="synthetic_set",
        label=f"synthetic set {percent(fraction)}",
        settings=SetSettings.read(settings),
        inputs={"dataset": dataset, "drivers": drivers, "plan": planned, "parts": parts},
        output=synthetic,
        page=page,
        scalars={"fraction": float(fraction), "seed": seed},
        code=code,
    )
