"""What the DAG costs beside its steps: `defectory run` against calling the steps in a row.

    python tests/benchmarks/dag_overhead.py DATA [--preset quickstart] [--set step.field=value]

First the DAG computes everything into a store of its own. Then one process calls the same step
functions with the same settings and inputs, one after the other on all cores, as the records in
that store name them; it pays for its imports once, as the DAG's warm process does. The DAG computes
in lanes (pipelines/machine.py), so where there are two its ratio has what they gain in it; to see
the DAG alone, bind both to one core: `taskset -c 0 python tests/benchmarks/dag_overhead.py ...`.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from components.record import Record, read_record
from components.settings import Settings
from components.store import RECORD
from components.task import CORES, LANES, SPOOL, STORE, WARM
from pipelines.overrides import override
from pipelines.presets import preset
from pipelines.run import Request, execute

STEPS = {
    "data_versioning": ("data_versioning.version:version", "data_versioning.settings:DataSettings"),
    "base_model": ("base_model.resolve:resolve", "base_model.settings:BaseModelSettings"),
    "driver_extraction": (
        "valvano.driver_extraction.extract:extract",
        "valvano.driver_extraction.settings:DriverSettings",
    ),
    "prior": ("valvano.dreambooth.prior:draw_prior", "valvano.dreambooth.settings:PriorSettings"),
    "dreambooth": (
        "valvano.dreambooth.train:train",
        "valvano.dreambooth.settings:DreamBoothSettings",
    ),
    "hypernetwork": (
        "valvano.hypernetwork.train:train",
        "valvano.hypernetwork.settings:HyperNetworkSettings",
    ),
    "plan": ("valvano.synthesis.plan:make_plan", "valvano.synthesis.settings:PlanSettings"),
    "synthesis": ("valvano.synthesis.draw:draw", "valvano.synthesis.settings:SynthesisSettings"),
    "synthetic_set": ("valvano.synthesis.merge:merge", "valvano.synthesis.settings:SetSettings"),
    "mask_rcnn": ("mask_rcnn.train:train", "mask_rcnn.settings:MaskRCNNSettings"),
    "iou_evaluation": ("iou_evaluation.evaluate:evaluate", "iou_evaluation.settings:IoUSettings"),
    "fid_evaluation": ("fid_evaluation.evaluate:evaluate", "fid_evaluation.settings:FIDSettings"),
    "report": ("report.write:write", "report.settings:ReportSettings"),
}
"""Function and settings of every step, below `components`."""


def in_a_row(store: Path, data: Path, out: Path) -> int:
    """Call the steps that a store has the results of, in the order in which they finished."""
    results = sorted(store.glob(f"*/*/result/{RECORD}"), key=lambda path: path.stat().st_mtime_ns)
    by_digest: dict[str, Path] = {}
    for number, path in enumerate(results):
        record = read_record(path.parent)
        by_digest[record.digest] = path.parent
        call(record, by_digest, data, out / str(number))
    return len(results)


def call(record: Record, by_digest: dict[str, Path], data: Path, out: Path) -> None:
    """Call one step as its record says."""
    step, settings = (_named(name) for name in STEPS[record.step])
    assert issubclass(settings, Settings)
    inputs = {
        name: [by_digest[one] for one in digest] if isinstance(digest, list) else by_digest[digest]
        for name, digest in record.inputs.items()
    }
    places = {"source": data} if record.step == "data_versioning" else {}
    out.mkdir(parents=True)
    step(
        out=out,
        settings=settings.model_validate_json(json.dumps(dict(record.settings))),
        **inputs,
        **places,
        **record.scalars,
    )


def _named(name: str):
    module, _, member = name.partition(":")
    return getattr(importlib.import_module(f"components.{module}"), member)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--preset", default="quickstart")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--row", nargs=2, type=Path, metavar=("STORE", "OUT"))
    chosen = parser.parse_args()
    data = chosen.data.resolve()
    if chosen.row:
        called = in_a_row(chosen.row[0], data, chosen.row[1])
        print(f"{called} steps", file=sys.stderr)
        return
    config = override(preset(chosen.preset), chosen.changes)
    threads = {name: value for name, value in os.environ.items() if name == "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        started = time.perf_counter()
        execute(Request(config, str(data), "", "", out, out / ".store"))
        dag = time.perf_counter() - started
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in (STORE, SPOOL, LANES, CORES, WARM, "OMP_NUM_THREADS")
        }
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, __file__, str(data), "--row", str(out / ".store"),
             str(Path(folder, "row"))],
            env={**environment, **threads}, check=True,
        )  # fmt: skip
        row = time.perf_counter() - started
    print(f"DAG {dag:.1f} s, steps in a row {row:.1f} s, ratio {dag / row:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
