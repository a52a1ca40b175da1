"""`summary.json`: every number of the report. Its keys are documented in README.md."""

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from components.report import published
from components.report.figures import thin
from components.report.inputs import Run
from components.report.material import count_photos, coverage, timings, warnings
from components.report.verdict import METRIC, Comparison, Verdict, comparisons, verdict

QUALITIES = ("fid", "kid", "low_layer_fid", "texture_frechet", "diversity", "adherence")
"""The parts of `quality.json`, each a list in the summary, one entry a fraction."""


def summarise(run: Run) -> dict[str, Any]:
    """All numbers of a run, ready for strict JSON: what has no value is None."""
    found = all_comparisons(run)
    summary = {
        "verdict": [_verdict(one) for one in verdicts(run)],
        "segmentation": [row for _, scores in run.scores for row in scores["rows"]],
        "regimes": [row for _, scores in run.scores for row in scores["regimes"]],
        "comparisons": [_comparison(one) for one in found],
        "protocol": [
            {"fraction": part.fraction, **scores["protocol"]} for part, scores in run.scores
        ],
        **{
            name: [{"fraction": part.fraction, **_entry(quality, name)}
                   for part, quality in run.qualities]
            for name in QUALITIES
        },
        "paper": {
            "source": published.SOURCE,
            "segmentation": [asdict(row) for row in published.SEGMENTATION],
            "fid": [asdict(row) for row in published.FID],
            "diversity": [asdict(row) for row in published.DIVERSITY],
        },
        "dataset": count_photos(run),
        "coverage": coverage(run),
        "timings": timings(run.records),
        "metrics": [
            {"step": record.step, "label": record.label, "values": dict(record.metrics)}
            for record in run.records
        ],
        "curves": [
            {"step": record.step, "label": record.label, "name": name, "points": _points(points)}
            for record in run.records
            for name, points in record.curves.items()
        ],
        "warnings": warnings(run.records),
        "config": run.config,
        "versions": versions(run),
    }  # fmt: skip
    return {name: strict(value) for name, value in summary.items()}


def all_comparisons(run: Run) -> list[Comparison]:
    """The differences to training on real photos alone, of all fractions."""
    return [one for _, scores in run.scores for one in comparisons(scores)]


def verdicts(run: Run) -> list[Verdict]:
    """The answer for every fraction that segmenters were scored for, ascending."""
    found = all_comparisons(run)
    return [
        verdict(found, part.fraction, scores["protocol"]["confidence"])
        for part, scores in run.scores
    ]


def headline(run: Run) -> dict[str, float]:
    """The few numbers to compare runs by: mask mAP of every regime, and what the verdict is about.

    Means over the seeds of the trainings, at 10 % of the photos named `map_10_real` and
    `map_10_difference`: KFP's UI cuts longer names.
    """
    found = {}
    for part, scores in run.scores:
        share = f"map_{part.fraction * 100:g}"
        for row in scores["regimes"]:
            found[f"{share}_{row['regime']}"] = row[METRIC]["mean"]
        said = verdict(all_comparisons(run), part.fraction, scores["protocol"]["confidence"])
        found[f"{share}_difference"] = said.comparison and said.comparison.difference
    return {name: float(value) for name, value in found.items() if value is not None}


def versions(run: Run) -> dict[str, Any]:
    """What computed: this package, Python, and the packages of the steps."""
    return {
        "defectory": version("defectory"),
        "python": platform.python_version(),
        "packages": sorted({one for record in run.records for one in record.packages.split()}),
        "data": run.dataset.about.digest,
        "tasks": [
            {"label": record.label, "key": record.key, "digest": record.digest}
            for record in run.records
        ],
    }


def strict(value: Any) -> Any:
    """The same for strict JSON: numbers that are not finite become None, tuples lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): strict(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [strict(one) for one in value]
    return value


def dump(summary: Mapping[str, Any]) -> str:
    """The summary as JSON that every reader takes."""
    return json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _entry(quality: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(quality.get(name), dict):
        raise ValueError(
            f"quality.json has no object {name!r}; it has {sorted(quality)}. It is written by"
            " the step fid_evaluation, which documents its parts"
        )
    return dict(quality[name])


def _verdict(one: Verdict) -> dict[str, Any]:
    compared = one.comparison
    return {
        "fraction": one.fraction,
        "verdict": one.word,
        "sentence": one.sentence,
        "beside": one.beside,
        "regime": None if compared is None else compared.regime,
        "metric": None if compared is None else compared.metric,
        "difference": None if compared is None else compared.difference,
        "interval": None if compared is None else compared.interval,
        "seeds": [] if compared is None else list(compared.seeds),
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    return {
        "fraction": one.fraction,
        "regime": one.regime,
        "metric": one.metric,
        "difference": one.difference,
        "interval": one.interval,
        "seeds": list(one.seeds),
        "verdict": one.word,
    }


def _points(points: Any) -> list[list[float]]:
    x, values, _ = thin(points)
    return [[float(step), float(value)] for step, value in zip(x, values, strict=True)]
