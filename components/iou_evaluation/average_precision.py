"""Average precision after COCO's protocol, for the test part and for many resamples of it at once.

A resample gives every unit of the test part a weight, the number of times it was drawn. Matching
is done within an image, so it does not change; only the ranking's cumulative sums do. They are
computed for all resamples together. With all weights 1 the numbers are COCOeval's, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.iou_evaluation.matching import Matches

RECALLS = np.linspace(0.0, 1.00, 101)
"""Recalls at which COCO reads the precision; made as COCOeval makes them."""


@dataclass(frozen=True)
class AveragePrecision:
    """Averages for every resample; NaN where no true instance was drawn.

    Attributes:
        overall: Mean over the thresholds .50 to .95 and the classes, (resamples,).
        overall_50: Mean over the classes at threshold .50, (resamples,).
        by_class: Mean over the thresholds, (resamples, classes).
        by_class_50: At threshold .50, (resamples, classes).
    """

    overall: NDArray[np.float64]
    overall_50: NDArray[np.float64]
    by_class: NDArray[np.float64]
    by_class_50: NDArray[np.float64]


def average_precision(
    classes: Sequence[Matches], weights: NDArray[np.int64], chunk: int = 200
) -> AveragePrecision:
    """Average precision of every resample.

    Args:
        classes: The matched detections of every class.
        weights: How often each unit was drawn, (resamples, units).
        chunk: Resamples held in memory at once.
    """
    parts = []
    # One empty chunk where no resamples are wanted, so that the shapes are right.
    for start in range(0, max(len(weights), 1), chunk):
        drawn = weights[start : start + chunk]
        # (resamples, thresholds, recalls, classes), COCOeval's order, so that sums round alike.
        table = np.stack([precision(one, drawn) for one in classes], axis=3)
        parts.append(
            (
                [_mean(one) for one in table],
                [_mean(one[0]) for one in table],
                _means(table),
                _means(table[:, :1]),
            )
        )
    return AveragePrecision(
        *(np.concatenate([np.asarray(part[i], float) for part in parts]) for i in range(4))
    )


def precision(matches: Matches, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Interpolated precision at COCO's recalls.

    Args:
        matches: One class's detections.
        weights: How often each unit was drawn, (resamples, units).

    Returns:
        (resamples, thresholds, recalls); -1, COCO's mark, where no true instance was drawn.
    """
    truths = (weights @ matches.truths).astype(float)
    drawn = weights[:, matches.units].astype(float)
    seen = drawn.cumsum(1)
    table = np.zeros((len(weights), len(matches.hits), len(RECALLS)))
    for threshold, hits in enumerate(matches.hits):
        # Precision falls at every false detection, so its envelope only needs the true ones.
        places = np.flatnonzero(hits)
        true = drawn[:, places].cumsum(1)
        # Spacing is COCOeval's guard against a division by zero.
        curve = true / (seen[:, places] + np.spacing(1))
        envelope = np.maximum.accumulate(curve[:, ::-1], axis=1)[:, ::-1]
        recall = true / np.maximum(truths, 1)[:, None]
        for row in range(len(weights)):
            found = np.searchsorted(recall[row], RECALLS, side="left")
            reached = np.searchsorted(found, len(places), side="left")
            table[row, threshold, :reached] = envelope[row, found[:reached]]
    table[truths == 0] = -1
    return table


def _means(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of every resample and class, (resamples, classes)."""
    resamples, _, _, classes = table.shape
    means = np.zeros((resamples, classes))
    for row, label in np.ndindex(resamples, classes):
        means[row, label] = _mean(table[row, :, :, label])
    return means


def _mean(precisions: NDArray[np.float64]) -> float:
    kept = precisions[precisions > -1]
    return float(np.mean(kept)) if kept.size else float("nan")
