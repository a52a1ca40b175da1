"""COCO's matching of detections to true instances, done by pycocotools and kept by class."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from components.iou_evaluation.truth import Truth, index

MOST_DETECTIONS = 100
"""Detections of an image and class that count, COCO's number."""


@dataclass(frozen=True)
class Matches:
    """All detections of one class, by descending score.

    Attributes:
        units: Resampled unit of every detection's image, (detections,).
        hits: Whether the detection is a true one at each of COCO's ten IoU thresholds from .50 to
            .95, (10, detections).
        truths: Number of true instances in every unit, (units,).
    """

    units: NDArray[np.int64]
    hits: NDArray[np.bool_]
    truths: NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """A detection and the true instance that COCO's matching gives it at IoU .50.

    Attributes:
        detection: Place of the detection in the predictions.
        truth: Annotation id of the instance.
        image: COCO image id.
        label: Index of the class.
        score: The detection's.
        iou: Intersection over union of the two masks, at least 0.5.
    """

    detection: int
    truth: int
    image: int
    label: int
    score: float
    iou: float


@dataclass(frozen=True)
class Matching:
    """What one network's detections are worth, class by class.

    Attributes:
        classes: One entry a class, in the order of the labels.
        pairs: The matches at IoU .50.
    """

    classes: list[Matches]
    pairs: list[Pair]


def match(
    truth: Truth, predictions: Sequence[dict[str, Any]], kind: Literal["segm", "bbox"]
) -> Matching:
    """Match detections to true instances as COCO does.

    Detections are taken by descending score; each gets the free instance of its class that it
    overlaps most, if the overlap reaches the threshold. All sizes of instances count.

    Args:
        truth: The test part.
        predictions: COCO results; those for other images are left out.
        kind: Whether masks or boxes are compared.
    """
    evaluation = COCOeval(truth.coco, _results(truth, predictions), kind)
    evaluation.params.areaRng = [[0, 1e10]]
    evaluation.params.areaRngLbl = ["all"]
    evaluation.params.maxDets = [MOST_DETECTIONS]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    images = len(evaluation.params.imgIds)
    per_class, pairs = [], []
    for label in range(len(truth.classes)):
        found = [
            one
            for one in evaluation.evalImgs[label * images : (label + 1) * images]
            if one is not None
        ]
        per_class.append(_ranked(truth, found))
        for one in found:
            pairs.extend(_pairs(one, evaluation, label))
    return Matching(per_class, pairs)


def _results(truth: Truth, predictions: Sequence[dict[str, Any]]) -> Any:
    """The predictions as a COCO object; `COCO.loadRes` fails on an empty list."""
    annotations = []
    for place, one in enumerate(predictions):
        if one["image_id"] in truth.frames:
            area = one["bbox"][2] * one["bbox"][3]
            annotations.append({**one, "id": place + 1, "area": area, "iscrowd": 0})
    return index({**truth.coco.dataset, "annotations": annotations})


def _ranked(truth: Truth, found: list[dict[str, Any]]) -> Matches:
    scores = np.concatenate([np.zeros(0), *(one["dtScores"] for one in found)])
    units = np.concatenate(
        [
            np.zeros(0, np.int64),
            *(np.full(len(one["dtScores"]), truth.unit[one["image_id"]]) for one in found),
        ]
    )
    hits = np.concatenate([np.zeros((10, 0)), *(one["dtMatches"] for one in found)], axis=1)
    truths = np.zeros(truth.units, np.int64)
    for one in found:
        truths[truth.unit[one["image_id"]]] += len(one["gtIds"])
    # COCO's own sort, so that ties fall the same way.
    order = np.argsort(-scores, kind="mergesort")
    return Matches(units[order], hits[:, order] > 0, truths)


def _pairs(one: dict[str, Any], evaluation: Any, label: int) -> list[Pair]:
    overlaps = evaluation.ious[one["image_id"], one["category_id"]]
    return [
        Pair(
            detection=one["dtIds"][row] - 1,
            truth=int(annotation),
            image=one["image_id"],
            label=label,
            score=one["dtScores"][row],
            iou=float(overlaps[row, one["gtIds"].index(annotation)]),
        )
        for row, annotation in enumerate(one["dtMatches"][0])
        if annotation
    ]
