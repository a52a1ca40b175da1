"""The step: score the segmenters of one fraction on the held-out test part."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.dataset import Dataset
from components.iou_evaluation.agreement import agree
from components.iou_evaluation.bootstrap import interval, luck, resample
from components.iou_evaluation.matching import match
from components.iou_evaluation.network import Network, read_networks
from components.iou_evaluation.preview import draw_predictions
from components.iou_evaluation.scores import LOWER_IS_BETTER, Scores, score
from components.iou_evaluation.settings import IoUSettings
from components.iou_evaluation.truth import Truth, read_truth
from components.outcome import Outcome
from components.progress import track

FEW_UNITS = 20
"""Below this many units a percentile interval is known to be too narrow."""

SHOWN = ("segm_map", "segm_ap50", "bbox_map", "bbox_ap50", "iou", "hausdorff", "iou_matched")
"""Overall metrics that are passed on to KFP and MLflow."""

DEFINITIONS = {
    "segm_map": "mean average precision of masks at IoU .50:.95, all sizes, 100 detections an "
    "image, mean over classes; pycocotools' COCOeval",
    "segm_ap50": "the same at IoU .50 alone",
    "bbox_map": "mean average precision of boxes at IoU .50:.95",
    "bbox_ap50": "the same at IoU .50 alone",
    "iou": "for every annotated frame and class annotated in it: union of the masks detected as "
    "the class at or above the network's validation threshold against the union of the true "
    "masks, 0 where nothing is detected; mean over frames, then over classes; 0..1",
    "hausdorff": "for the same pairs of masks: symmetric Hausdorff distance of the pixel sets "
    "divided by the frame's diagonal, 1 where nothing is detected; 0..1, lower is better",
    "iou_matched": "mean mask IoU of the true instances that COCO's matching at mask IoU .50 gives "
    "a detection at or above the threshold, 0 where none is matched; blind to missed instances",
    "hausdorff_matched": "mean Hausdorff distance, divided by the diagonal, of the same matches, 1 "
    "where none is matched",
    "matched": "share of the true instances that are matched",
    "false_alarms": "share of the defect-free test frames with a detection at or above the "
    "threshold",
}


def evaluate(
    out: Path,
    settings: IoUSettings,
    dataset: Path,
    networks: list[Path],
    fraction: float,
    seed: int,
) -> Outcome:
    """Score every segmenter, with intervals, and against its `real` counterpart.

    Args:
        out: Receives `scores.json` and `preview/predictions.png`.
        settings: The step's settings.
        dataset: The dataset artifact.
        networks: The segmenters of all regimes and seeds.
        fraction: The fraction of the real data that they were trained on.
        seed: Seed of the bootstrap.
    """
    data = Dataset(dataset)
    truth, segmenters = read_truth(data), read_networks(networks)
    weights = resample(truth.units, settings.bootstrap, seed)
    points, draws = _scores(truth, segmenters, weights)
    confidence = settings.confidence
    rows = [
        {
            "fraction": fraction,
            "regime": network.regime,
            "seed": network.seed,
            **_numbers(points[network.name]),
            "intervals": _intervals(draws[network.name], confidence),
            "per_class": _per_class(truth, points[network.name]),
            "images": len(truth.frames),
            "photos": truth.photos,
            "threshold": network.threshold,
            "against_real": _against(
                network, f"real_{network.seed}", points, draws, confidence
            ),
        }
        for network in segmenters
    ]  # fmt: skip
    regimes = _regimes(segmenters, points, draws, fraction, confidence, seed)
    document = {"protocol": _protocol(truth, settings, seed), "rows": rows, "regimes": regimes}
    (out / "scores.json").write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    draw_predictions(out / "preview" / "predictions.png", data, truth, segmenters)
    # With a seed in the name, runs with other seeds would be in other rows of a comparison.
    means = {f"{name}_{row['regime']}": row[name]["mean"] for row in regimes for name in SHOWN}
    return Outcome(
        metrics={name: math.nan if mean is None else mean for name, mean in means.items()},
        warnings=_warnings(truth),
    )


def _scores(
    truth: Truth, networks: Sequence[Network], weights: NDArray[np.int64]
) -> tuple[dict[str, Scores], dict[str, Scores]]:
    """Every network's numbers on the test part as it is, and on its resamples."""
    segm = [match(truth, network.predictions, "segm") for network in networks]
    bbox = [match(truth, network.predictions, "bbox") for network in networks]
    images = track(list(truth.frames), "comparing masks", unit="frames")
    agreements = agree(truth, networks, [one.pairs for one in segm], images)
    whole = np.ones((1, truth.units), np.int64)
    points, draws = {}, {}
    for network, masks, boxes, agreement in zip(
        track(networks, "resampling", unit="networks"), segm, bbox, agreements, strict=True
    ):
        points[network.name] = score(masks, boxes, agreement, truth, whole)
        draws[network.name] = score(masks, boxes, agreement, truth, weights)
    return points, draws


def _numbers(scores: Scores) -> dict[str, float | None]:
    return {name: _finite(values[0]) for name, values in scores.overall.items()}


def _intervals(scores: Scores, confidence: float) -> dict[str, Any]:
    return {name: interval(values, confidence) for name, values in scores.overall.items()}


def _per_class(truth: Truth, scores: Scores) -> dict[str, dict[str, float | None]]:
    annotations = truth.coco.dataset["annotations"]
    return {
        name: {
            **{metric: _finite(values[0, label]) for metric, values in scores.by_class.items()},
            "instances": sum(one["category_id"] == label + 1 for one in annotations),
        }
        for label, name in enumerate(truth.classes)
    }


def _against(
    network: Network,
    real: str,
    points: dict[str, Scores],
    draws: dict[str, Scores],
    confidence: float,
) -> dict[str, Any] | None:
    """Difference to the `real` network of the same seed; None for that one itself."""
    if network.regime == "real" or real not in points:
        return None
    return {
        name: _difference(
            name,
            points[network.name].overall[name][0] - points[real].overall[name][0],
            draws[network.name].overall[name] - draws[real].overall[name],
            confidence,
        )
        for name in DEFINITIONS
    }


def _difference(
    name: str, point: float, draws: NDArray[np.float64], confidence: float
) -> dict[str, Any]:
    finite = draws[np.isfinite(draws)]
    gains = -finite if name in LOWER_IS_BETTER else finite
    return {
        "difference": _finite(point),
        "interval": interval(draws, confidence),
        # Ties are split, so that two networks that are alike get one half.
        "better": float(np.mean((gains > 0) + 0.5 * (gains == 0))) if gains.size else None,
    }


def _regimes(
    networks: Sequence[Network],
    points: dict[str, Scores],
    draws: dict[str, Scores],
    fraction: float,
    confidence: float,
    seed: int,
) -> list[dict[str, Any]]:
    """Means over the seeds, and differences to `real` over the seeds that both have."""
    found = []
    for regime in dict.fromkeys(network.regime for network in networks):
        seeds = [network.seed for network in networks if network.regime == regime]
        paired = [one for one in seeds if regime != "real" and f"real_{one}" in points]
        row: dict[str, Any] = {"fraction": fraction, "regime": regime, "seeds": seeds}
        for name in DEFINITIONS:
            values = np.array([points[f"{regime}_{one}"].overall[name][0] for one in seeds])
            some = np.mean([draws[f"{regime}_{one}"].overall[name] for one in seeds], axis=0)
            some += luck(values, len(some), seed)
            row[name] = {
                "mean": _finite(values.mean()),
                "sd": _finite(values.std(ddof=1)) if len(seeds) > 1 else None,
                "interval": interval(some, confidence),
            }
            if paired:
                row[name]["against_real"] = _paired(
                    name, regime, paired, points, draws, confidence, seed
                )
        found.append(row)
    return found


def _paired(
    name: str,
    regime: str,
    seeds: Sequence[int],
    points: dict[str, Scores],
    draws: dict[str, Scores],
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    def gaps(scores: dict[str, Scores]) -> NDArray[np.float64]:
        return np.array(
            [
                scores[f"{regime}_{one}"].overall[name] - scores[f"real_{one}"].overall[name]
                for one in seeds
            ]
        )

    here = gaps(points)[:, 0]
    drawn = gaps(draws).mean(axis=0)
    return _difference(name, here.mean(), drawn + luck(here, len(drawn), seed), confidence)


def _protocol(truth: Truth, settings: IoUSettings, seed: int) -> dict[str, Any]:
    frames = list(truth.frames.values())
    clean = sum(frame.defect_free for frame in frames)
    return {
        "part": "test",
        "definitions": DEFINITIONS,
        "intervals": "percentile intervals of a bootstrap over the test part; photos of one group "
        "(one physical piece) are drawn together; the same draws for every network",
        "against_real": "difference to the regime `real` of the same seed on the same draws; "
        "`better` is the share of the draws in which the regime is better, ties split",
        "regimes": "means over the seeds; `sd` is the standard deviation over the seeds; to the "
        "mean over the test part's draws the intervals add the luck of the trainings, Student's t "
        "times the mean's standard error; with one training they know only that of the photos",
        "resamples": settings.bootstrap,
        "confidence": settings.confidence,
        "seed": seed,
        "frames": len(frames),
        "annotated_frames": len(frames) - clean,
        "defect_free_frames": clean,
        "photos": truth.photos,
        "groups": truth.units,
        "instances": truth.instances,
        "resolution": truth.resolution,
    }


def _warnings(truth: Truth) -> list[str]:
    if not truth.frames:
        return ["The test part is empty: no segmenter could be scored."]
    found = []
    annotated = {one["category_id"] - 1 for one in truth.coco.dataset["annotations"]}
    absent = [name for label, name in enumerate(truth.classes) if label not in annotated]
    if absent:
        found.append(
            f"The test part has no defect of class {', '.join(absent)}: it has no score, and the "
            "means leave it out."
        )
    if truth.units < FEW_UNITS:
        found.append(
            f"The test part has only {truth.units} independent pieces: its intervals are wide, "
            "and still narrower than they should be."
        )
    return found


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
