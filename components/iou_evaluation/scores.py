"""All numbers of one network, for the test part as it is and for its resamples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.iou_evaluation.agreement import Agreement
from components.iou_evaluation.average_precision import average_precision
from components.iou_evaluation.matching import Matching
from components.iou_evaluation.truth import Truth

LOWER_IS_BETTER = ("hausdorff", "hausdorff_matched", "false_alarms")
"""Metrics of which less is better; of all others, more is."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Metrics by name, NaN where there is none.

    Attributes:
        overall: (resamples,) each.
        by_class: (resamples, classes) each.
    """

    overall: Mapping[str, Values]
    by_class: Mapping[str, Values]


def score(
    segm: Matching,
    bbox: Matching,
    agreement: Agreement,
    truth: Truth,
    weights: NDArray[np.int64],
) -> Scores:
    """Score one network on every resample of the test part.

    Args:
        segm: Its matches by masks.
        bbox: Its matches by boxes.
        agreement: What its masks agree with the true ones.
        truth: The test part.
        weights: How often each unit was drawn, (resamples, units).
    """
    masks, boxes = (
        average_precision(segm.classes, weights),
        average_precision(bbox.classes, weights),
    )
    pairs, instances = weights @ agreement.pairs, weights @ agreement.instances
    matched = weights @ agreement.matched
    strict = {
        "iou": _ratio(weights @ agreement.iou, pairs),
        "hausdorff": _ratio(weights @ agreement.hausdorff, pairs),
    }
    good = {
        "iou_matched": (weights @ agreement.matched_iou, 0.0),
        "hausdorff_matched": (weights @ agreement.matched_hausdorff, 1.0),
    }
    return Scores(
        overall={
            "segm_map": masks.overall,
            "segm_ap50": masks.overall_50,
            "bbox_map": boxes.overall,
            "bbox_ap50": boxes.overall_50,
            **{name: _mean_of_classes(values) for name, values in strict.items()},
            **{
                name: _matched(sums.sum(1), matched.sum(1), instances.sum(1), none)
                for name, (sums, none) in good.items()
            },
            "matched": _ratio(matched.sum(1), instances.sum(1)),
            "false_alarms": _ratio(
                weights @ agreement.alarms, weights @ truth.count(defect_free=True)
            ),
        },
        by_class={
            "segm_map": masks.by_class,
            "segm_ap50": masks.by_class_50,
            "bbox_map": boxes.by_class,
            "bbox_ap50": boxes.by_class_50,
            **strict,
            **{
                name: _matched(sums, matched, instances, none)
                for name, (sums, none) in good.items()
            },
            "matched": _ratio(matched, instances),
        },
    )


def _ratio(sums: Values, counts: NDArray[Any]) -> Values:
    return np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=counts > 0)


def _matched(sums: Values, matched: Values, instances: Values, none: float) -> Values:
    """Mean over the matched; `none` where instances are, but none is matched, as in the paper."""
    return np.where((matched == 0) & (instances > 0), none, _ratio(sums, matched))


def _mean_of_classes(values: Values) -> Values:
    there = np.isfinite(values)
    return _ratio(np.where(there, values, 0).sum(1), there.sum(1).astype(float))
