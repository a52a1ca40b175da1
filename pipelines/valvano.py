"""The DAG of Valvano et al. (WACV 2024): concept, condition, synthesis, and what it was worth.

    gate, and if anything changed:
      data_versioning  driver_extraction  base_model  prior  judge
      for each fraction:
        dreambooth  hypernetwork  plan
        for each shard: synthesis
        synthetic_set
        for each regime and repeat: mask_rcnn
        iou_evaluation  fid_evaluation
      report  publication
    final_status, whatever happened

The gate comes first and is never cached, so that everything after it may be: it turns the address
of the photos, and the paths of files that settings name, into digests of their content, which the
cached steps have among their parameters.
"""

from typing import Any

from kfp import dsl

from components.base_model.component import base_model
from components.data_versioning.component import data_versioning
from components.fid_evaluation.component import fid_evaluation
from components.final_status.component import final_status
from components.gate.component import gate
from components.iou_evaluation.component import iou_evaluation
from components.mask_rcnn.component import judge, mask_rcnn
from components.mask_rcnn.settings import REGIMES
from components.publication.component import publication
from components.report.component import report
from components.valvano.dreambooth.component import dreambooth, prior
from components.valvano.driver_extraction.component import driver_extraction
from components.valvano.hypernetwork.component import hypernetwork
from components.valvano.synthesis.component import plan, synthesis, synthetic_set
from pipelines.config import Config
from pipelines.identity import code_of, package_of
from pipelines.names import PIPELINE
from pipelines.parameters import Parameter, docstring, parameters, signature
from pipelines.profiles import Profile
from pipelines.size import ClusterConfig

STEPS = (
    base_model,
    data_versioning,
    driver_extraction,
    prior,
    judge,
    dreambooth,
    hypernetwork,
    plan,
    synthesis,
    synthetic_set,
    mask_rcnn,
    iou_evaluation,
    fid_evaluation,
    report,
)
"""Components that call a step, whose results the store and KFP's cache may give again."""

_SUMMARY = "Learns to draw defects where a mask asks for them, and measures their worth."


def pipeline(
    config: Config,
    data: str,
    revision: str,
    digest: str,
    profile: Profile | None = None,
    pinned: bool = False,
) -> dsl.base_component:
    """Build the DAG for one configuration.

    Args:
        config: The run's configuration.
        data: Default of the pipeline's parameter `data`: a folder, or a `.dvc` file.
        revision: Default of `revision`: git revision of the `.dvc` file.
        digest: Default of `digest`: content digest that the photos must have.
        profile: What the steps ask of a cluster; None for a run on this machine.
        pinned: Whether a step refuses to run where its code is not that of this moment. With a
            profile it always does.
    """
    pools = profile is not None and bool(profile.pools)
    offered = parameters(config, data, revision, digest, pools)
    build = _Build(config, offered, profile, pinned or profile is not None)

    def valvano(*values: Any) -> None:
        build.whole({one.name: value for one, value in zip(offered, values, strict=True)})

    valvano.__signature__ = signature(offered)  # type: ignore[attr-defined]
    valvano.__doc__ = docstring(_SUMMARY, offered)
    return dsl.pipeline(name=PIPELINE, description=_SUMMARY)(valvano)


class _Build:
    """One building of the DAG."""

    def __init__(
        self,
        config: Config,
        offered: tuple[Parameter, ...],
        profile: Profile | None,
        pinned: bool,
    ) -> None:
        self._config = config
        self._offered = offered
        self._profile = profile
        self._pinned = pinned
        self._codes = {component: code_of(component) for component in STEPS}
        self._places: Any = {}

    def whole(self, given: dict[str, Any]) -> None:
        """The gate, what it opens, and the exit handler.

        Args:
            given: The pipeline's parameters by name, as KFP's channels.
        """
        run = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        schema = Config if self._profile is None else ClusterConfig
        ending = self._edge(
            final_status(run=run, data=given["data"], notify=given["notify"]), "final_status"
        )
        with dsl.ExitHandler(ending, name="whole run"):
            opened = self._edge(
                gate(
                    run=run,
                    data=given["data"],
                    revision=given["revision"],
                    digest=given["digest"],
                    noun=given["noun"],
                    token=given["token"],
                    # Only numbers and booleans are put into text: they need no quotes in JSON.
                    changes=";".join(
                        f"{one.setting}={given[one.name]}"
                        for one in self._offered
                        if one.setting and not isinstance(one.default, str)
                    ),
                    switches=";".join(
                        f"{one.fraction:g}={given[one.name]}"
                        for one in self._offered
                        if one.fraction is not None
                    ),
                    skip_unchanged=given["skip_unchanged"],
                    config=self._config.model_dump_json(),
                    schema=f"{schema.__module__}:{schema.__qualname__}",
                    package=package_of(self._codes),
                ),
                "gate",
            )
            # KFP's local runner finds only a task's unnamed output in a condition or a loop.
            with dsl.If(opened.outputs["Output"] == True, name="changed"):  # noqa: E712
                if self._profile is not None and self._profile.pools:
                    self._places = self._profile.place(given["node_pool"], given["spot"])
                files = self._steps(given, opened.outputs)
                self._edge(publication(run=run, report=files), "publication")

    def _steps(self, given: dict[str, Any], opened: Any) -> Any:
        """Everything between the gate and the publication; gives the report's files.

        Everything that belongs to one fraction of the real data lies in one loop, so nothing that
        a fraction makes can reach another.
        """
        config = self._config
        seed, token = given["seed"], given["token"]
        photos = self._step(
            data_versioning,
            "data_versioning",
            data=given["data"],
            revision=given["revision"],
            digest=opened["photos"],
            # Subsets of all fractions, so that the dataset does not depend on which are on.
            fractions=",".join(f"{fraction:g}" for fraction in config.run.fractions),
            chosen=opened["fractions"],
            seed=seed,
            settings=config.data_versioning.model_dump_json(),
        )
        dataset = photos.outputs["dataset"]
        base = self._step(
            base_model,
            "base_model",
            settings=config.base_model.model_dump_json(),
            digest=opened["model"],
        ).outputs["model"]
        drivers = self._step(
            driver_extraction,
            "driver_extraction",
            dataset=dataset,
            settings=config.driver_extraction.model_dump_json(),
        ).outputs["drivers"]
        class_images = self._step(
            prior,
            "prior",
            base=base,
            noun=given["noun"],
            resolution=config.data_versioning.resolution,
            seed=seed,
            settings=config.prior.model_dump_json(),
        ).outputs["images"]
        # It judges all fractions alike, so it is the best segmenter that real photos alone give,
        # whichever fractions are on.
        judging = self._step(
            judge,
            "judge",
            dataset=dataset,
            fraction=max(config.run.fractions),
            seed=seed,
            steps=given["mask_rcnn_steps"],
            settings=config.mask_rcnn.model_dump_json(),
            digest=opened["start"],
        ).outputs["network"]
        experiments = [
            {"regime": regime, "repeat": repeat}
            for regime in REGIMES
            for repeat in range(config.run.repeats)
        ]
        with dsl.ParallelFor(photos.outputs["Output"], name="fractions") as fraction:
            concept = self._step(
                dreambooth,
                "dreambooth",
                dataset=dataset,
                base=base,
                prior_images=class_images,
                fraction=fraction,
                token=token,
                noun=given["noun"],
                seed=seed,
                steps=given["dreambooth_steps"],
                settings=config.dreambooth.model_dump_json(),
            ).outputs["concept"]
            control = self._step(
                hypernetwork,
                "hypernetwork",
                dataset=dataset,
                drivers=drivers,
                concept=concept,
                fraction=fraction,
                token=token,
                seed=seed,
                steps=given["hypernetwork_steps"],
                settings=config.hypernetwork.model_dump_json(),
            ).outputs["control"]
            planning = self._step(
                plan,
                "plan",
                dataset=dataset,
                drivers=drivers,
                fraction=fraction,
                token=token,
                seed=seed,
                count=given["images"],
                samples=given["samples"],
                shards=given["shards"],
                settings=config.plan.model_dump_json(),
            )
            planned = planning.outputs["planned"]
            with dsl.ParallelFor(planning.outputs["Output"], name="shards") as shard:
                drawn = self._step(
                    synthesis,
                    "synthesis",
                    dataset=dataset,
                    drivers=drivers,
                    planned=planned,
                    concept=concept,
                    control=control,
                    shard=shard,
                    shards=given["shards"],
                    settings=config.synthesis.model_dump_json(),
                )
            synthetic = self._step(
                synthetic_set,
                "synthetic_set",
                dataset=dataset,
                drivers=drivers,
                planned=planned,
                parts=dsl.Collected(drawn.outputs["images"]),
                fraction=fraction,
                seed=seed,
                settings=config.synthetic_set.model_dump_json(),
            ).outputs["synthetic"]
            with dsl.ParallelFor(experiments, name="regimes") as experiment:
                network = self._step(
                    mask_rcnn,
                    "mask_rcnn",
                    dataset=dataset,
                    synthetic=synthetic,
                    experiment=experiment,
                    seed=seed,
                    steps=given["mask_rcnn_steps"],
                    settings=config.mask_rcnn.model_dump_json(),
                    digest=opened["start"],
                )
            scored = self._step(
                iou_evaluation,
                "iou_evaluation",
                dataset=dataset,
                networks=dsl.Collected(network.outputs["network"]),
                fraction=fraction,
                seed=seed,
                settings=config.iou_evaluation.model_dump_json(),
            ).outputs["scores"]
            quality = self._step(
                fid_evaluation,
                "fid_evaluation",
                dataset=dataset,
                synthetic=synthetic,
                segmenter=judging,
                fraction=fraction,
                seed=seed,
                settings=config.fid_evaluation.model_dump_json(),
                digest=opened["inception"],
            ).outputs["quality"]
        return self._step(
            report,
            "report",
            dataset=dataset,
            drivers=drivers,
            prior_images=class_images,
            concepts=dsl.Collected(concept),
            controls=dsl.Collected(control),
            plans=dsl.Collected(planned),
            synthetics=dsl.Collected(synthetic),
            scores=dsl.Collected(scored),
            qualities=dsl.Collected(quality),
            config=opened["whole"],
            settings=config.report.model_dump_json(),
        ).outputs["files"]

    def _step(self, component: Any, step: str, **arguments: Any) -> Any:
        """A task that calls a step; KFP may give its result again for the same arguments."""
        code = self._codes[component] if self._pinned else ""
        task = component(**arguments, code=code).set_caching_options(True)
        if self._profile is not None:
            self._profile.apply(task, step, self._places)
        return task

    def _edge(self, task: Any, step: str) -> Any:
        """A task that says something about the run itself, and so is never cached."""
        task.set_caching_options(False)
        if self._profile is not None:
            self._profile.apply(task, step, {})
        return task
