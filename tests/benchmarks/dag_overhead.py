"""What the DAG costs beside its steps: `defectory run` against calling the steps in a row.

    python tests/benchmarks/dag_overhead.py DATA [--preset quickstart] [--set step.field=value]

Both compute everything, each into a store of its own, one after the other on the same machine.
The row of calls pays for its imports once, as the DAG's warm process does.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from components.base_model.component import base_model
from components.data_versioning.component import data_versioning
from components.data_versioning.inspect import inspect
from components.fid_evaluation.component import fid_evaluation
from components.iou_evaluation.component import iou_evaluation
from components.mask_rcnn.component import judge, mask_rcnn
from components.mask_rcnn.settings import REGIMES
from components.report.component import report
from components.task import LEASE, SPOOL, STORE, WARM
from components.valvano.dreambooth.component import dreambooth, prior
from components.valvano.driver_extraction.component import driver_extraction
from components.valvano.hypernetwork.component import hypernetwork
from components.valvano.synthesis.component import plan, synthesis, synthetic_set
from pipelines.config import Config
from pipelines.overrides import override
from pipelines.presets import preset
from pipelines.run import Request, execute


def in_a_row(config: Config, data: str, digest: str, folder: Path) -> None:
    """Call every step of the pipeline in this process, in the order of the DAG."""
    made = 0

    def artifact() -> Any:
        nonlocal made
        made += 1
        place = str(folder / str(made))
        return SimpleNamespace(path=place, uri=place, metadata={}, log_metric=lambda *_: None)

    def call(component: Any, output: str, metrics: bool, **arguments: Any) -> Any:
        result = artifact()
        more = {"metrics": artifact()} if metrics else {}
        component.python_func(**arguments, **{output: result}, **more)
        return result

    shared, seed = config.run, config.run.seed
    dataset = call(
        data_versioning, "dataset", True, data=data, revision="", digest=digest, seed=seed,
        fractions=",".join(f"{one:g}" for one in shared.fractions),
        settings=config.data_versioning.model_dump_json(),
    )  # fmt: skip
    base = call(base_model, "model", False, settings=config.base_model.model_dump_json())
    drivers = call(
        driver_extraction, "drivers", True, dataset=dataset,
        settings=config.driver_extraction.model_dump_json(),
    )  # fmt: skip
    classes = call(
        prior, "images", False, base=base, noun=shared.noun, seed=seed,
        resolution=config.data_versioning.resolution, settings=config.prior.model_dump_json(),
    )  # fmt: skip
    segmenter = config.mask_rcnn.model_dump_json()
    judging = call(
        judge, "network", False, dataset=dataset, fraction=max(shared.fractions), seed=seed,
        settings=segmenter,
    )  # fmt: skip
    columns: dict[str, list[Any]] = {
        name: [] for name in ("concepts", "controls", "plans", "synthetics", "scores", "qualities")
    }
    for fraction in shared.fractions:
        concept = call(
            dreambooth, "concept", True, dataset=dataset, base=base, prior_images=classes,
            fraction=fraction, token=shared.token, noun=shared.noun, seed=seed,
            settings=config.dreambooth.model_dump_json(),
        )  # fmt: skip
        control = call(
            hypernetwork, "control", True, dataset=dataset, drivers=drivers, concept=concept,
            fraction=fraction, token=shared.token, seed=seed,
            settings=config.hypernetwork.model_dump_json(),
        )  # fmt: skip
        planned = call(
            plan, "planned", True, dataset=dataset, drivers=drivers, fraction=fraction,
            token=shared.token, seed=seed, settings=config.plan.model_dump_json(),
        )  # fmt: skip
        parts = [
            call(
                synthesis, "images", False, dataset=dataset, drivers=drivers, planned=planned,
                concept=concept, control=control, fraction=fraction, shard=shard,
                shards=shared.shards, settings=config.synthesis.model_dump_json(),
            )
            for shard in range(shared.shards)
        ]  # fmt: skip
        synthetic = call(
            synthetic_set, "synthetic", False, dataset=dataset, drivers=drivers, planned=planned,
            parts=parts, fraction=fraction,
        )  # fmt: skip
        networks = [
            call(
                mask_rcnn, "network", True, dataset=dataset, synthetic=synthetic,
                fraction=fraction, settings=segmenter,
                experiment={"regime": regime, "seed": seed + repeat},
            )
            for regime in REGIMES
            for repeat in range(shared.repeats)
        ]  # fmt: skip
        score = call(
            iou_evaluation, "scores", True, dataset=dataset, networks=networks, seed=seed,
            fraction=fraction, settings=config.iou_evaluation.model_dump_json(),
        )  # fmt: skip
        quality = call(
            fid_evaluation, "quality", True, dataset=dataset, synthetic=synthetic,
            segmenter=judging, fraction=fraction, seed=seed,
            settings=config.fid_evaluation.model_dump_json(),
        )  # fmt: skip
        for name, one in zip(
            columns, (concept, control, planned, synthetic, score, quality), strict=True
        ):
            columns[name].append(one)
    call(
        report, "page", False, dataset=dataset, drivers=drivers, prior_images=classes, **columns,
        config=config.model_dump_json(), settings=config.report.model_dump_json(),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--preset", default="quickstart")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    chosen = parser.parse_args()
    config = override(preset(chosen.preset), chosen.changes)
    data = str(Path(chosen.data).resolve())
    found = inspect(Path(data), config.data_versioning, config.run.fractions, config.run.seed)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        execute(
            Request(
                config, data, "", found.digest, Path(folder, "out"), Path(folder, "out", ".store")
            )
        )
        dag = time.perf_counter() - started
        for name in (LEASE, WARM):
            os.environ.pop(name, None)
        os.environ[STORE] = str(Path(folder, "store"))
        os.environ[SPOOL] = str(Path(folder, "spool"))
        Path(folder, "spool").mkdir()
        started = time.perf_counter()
        in_a_row(config, data, found.digest, Path(folder, "row"))
        row = time.perf_counter() - started
    print(f"DAG {dag:.1f} s, steps in a row {row:.1f} s, ratio {dag / row:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
