"""The DAG of Valvano et al. (WACV 2024): concept, condition, synthesis, and what it was worth."""

from kfp import dsl

from components.base_model.component import base_model
from components.data_versioning.component import data_versioning
from components.fid_evaluation.component import fid_evaluation
from components.iou_evaluation.component import iou_evaluation
from components.mask_rcnn.component import judge, mask_rcnn
from components.mask_rcnn.settings import REGIMES
from components.report.component import report
from components.valvano.dreambooth.component import dreambooth, prior
from components.valvano.driver_extraction.component import driver_extraction
from components.valvano.hypernetwork.component import hypernetwork
from components.valvano.synthesis.component import plan, synthesis, synthetic_set
from pipelines.config import Config


def pipeline(config: Config, data: str, revision: str, digest: str) -> dsl.base_component:
    """Build the DAG for one configuration.

    Everything that belongs to one fraction of the real data lies in one loop, so nothing that a
    fraction makes can reach another.

    Args:
        config: The run's configuration.
        data: Default of the pipeline's parameter `data`: a folder, or a `.dvc` file.
        revision: Default of `revision`: git revision of the `.dvc` file.
        digest: Default of `digest`: content digest that the photos must have.
    """
    shared = config.run
    default_data, default_revision, default_digest = data, revision, digest
    experiments = [
        {"regime": regime, "seed": shared.seed + repeat}
        for regime in REGIMES
        for repeat in range(shared.repeats)
    ]

    @dsl.pipeline(
        name="defectory-valvano",
        description="Learns to draw defects where a mask asks for them, and measures their worth.",
    )
    def valvano(
        data: str = default_data,
        revision: str = default_revision,
        digest: str = default_digest,
        token: str = shared.token,
        noun: str = shared.noun,
        seed: int = shared.seed,
    ):
        """The pipeline.

        Args:
            data: Folder of photos, or a `.dvc` file.
            revision: Git revision of the `.dvc` file.
            digest: Content digest that the photos must have.
            token: Rare word that names the concept.
            noun: Class noun of the domain.
            seed: Seed of splits, trainings, plan and bootstrap.
        """
        photos = data_versioning(
            data=data,
            revision=revision,
            digest=digest,
            fractions=",".join(f"{fraction:g}" for fraction in shared.fractions),
            seed=seed,
            settings=config.data_versioning.model_dump_json(),
        )
        dataset = photos.outputs["dataset"]
        base = base_model(settings=config.base_model.model_dump_json())
        drivers = driver_extraction(
            dataset=dataset, settings=config.driver_extraction.model_dump_json()
        ).outputs["drivers"]
        class_images = prior(
            base=base.outputs["model"],
            noun=noun,
            resolution=config.data_versioning.resolution,
            seed=seed,
            settings=config.prior.model_dump_json(),
        )
        # It judges all fractions alike, so it is the best segmenter that real photos alone give.
        judging = judge(
            dataset=dataset,
            fraction=max(shared.fractions),
            seed=shared.seed,
            settings=config.mask_rcnn.model_dump_json(),
        )
        with dsl.ParallelFor(list(shared.fractions), name="fractions") as fraction:
            concept = dreambooth(
                dataset=dataset,
                base=base.outputs["model"],
                prior_images=class_images.outputs["images"],
                fraction=fraction,
                token=token,
                noun=noun,
                seed=seed,
                settings=config.dreambooth.model_dump_json(),
            )
            control = hypernetwork(
                dataset=dataset,
                drivers=drivers,
                concept=concept.outputs["concept"],
                fraction=fraction,
                token=token,
                seed=seed,
                settings=config.hypernetwork.model_dump_json(),
            )
            planned = plan(
                dataset=dataset,
                drivers=drivers,
                fraction=fraction,
                token=token,
                seed=seed,
                settings=config.plan.model_dump_json(),
            )
            with dsl.ParallelFor(list(range(shared.shards)), name="shards") as shard:
                drawn = synthesis(
                    dataset=dataset,
                    drivers=drivers,
                    planned=planned.outputs["planned"],
                    concept=concept.outputs["concept"],
                    control=control.outputs["control"],
                    fraction=fraction,
                    shard=shard,
                    shards=shared.shards,
                    settings=config.synthesis.model_dump_json(),
                )
            synthetic = synthetic_set(
                dataset=dataset,
                drivers=drivers,
                planned=planned.outputs["planned"],
                parts=dsl.Collected(drawn.outputs["images"]),
                fraction=fraction,
            ).outputs["synthetic"]
            with dsl.ParallelFor(experiments, name="regimes") as experiment:
                network = mask_rcnn(
                    dataset=dataset,
                    synthetic=synthetic,
                    fraction=fraction,
                    experiment=experiment,
                    settings=config.mask_rcnn.model_dump_json(),
                )
            scored = iou_evaluation(
                dataset=dataset,
                networks=dsl.Collected(network.outputs["network"]),
                fraction=fraction,
                seed=seed,
                settings=config.iou_evaluation.model_dump_json(),
            )
            quality = fid_evaluation(
                dataset=dataset,
                synthetic=synthetic,
                segmenter=judging.outputs["network"],
                fraction=fraction,
                seed=seed,
                settings=config.fid_evaluation.model_dump_json(),
            )
        report(
            dataset=dataset,
            drivers=drivers,
            prior_images=class_images.outputs["images"],
            concepts=dsl.Collected(concept.outputs["concept"]),
            controls=dsl.Collected(control.outputs["control"]),
            plans=dsl.Collected(planned.outputs["planned"]),
            synthetics=dsl.Collected(synthetic),
            scores=dsl.Collected(scored.outputs["scores"]),
            qualities=dsl.Collected(quality.outputs["quality"]),
            config=config.model_dump_json(),
            settings=config.report.model_dump_json(),
        )

    return valvano
