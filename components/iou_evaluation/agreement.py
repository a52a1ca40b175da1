"""How well a network's masks agree with the true ones, summed over every unit of the test part.

Two definitions, because the paper names neither.

Strict, over every pair of an annotated frame and a class annotated in it: the union of the masks
detected as that class against the union of the true ones. A defect that is missed counts as IoU 0
and Hausdorff distance 1.

Matched, over the true instances that a detection was matched to (COCO's matching at mask IoU .50):
how good a mask is where there is one. It says nothing of what is missed, so the share that was
matched stands beside it. It can hardly fall below 0.5, which the paper's IoU of 76 to 81 at an mAP
of .02 to .15 suggests was its definition.

Detections count from the network's threshold on, which was chosen on the validation part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.instances import Mask, decode
from components.iou_evaluation.matching import Pair
from components.iou_evaluation.network import Network
from components.iou_evaluation.overlap import hausdorff, iou
from components.iou_evaluation.truth import Truth

Sums = NDArray[np.float64]


@dataclass
class Agreement:
    """Sums by unit and class, (units, classes), from which any resample's means follow.

    Attributes:
        pairs: Number of pairs of a frame and a class annotated in it.
        iou: Sum of their intersections over union.
        hausdorff: Sum of their Hausdorff distances.
        instances: Number of true instances.
        matched: Number of those that were matched.
        matched_iou: Sum of their matches' intersections over union.
        matched_hausdorff: Sum of their matches' Hausdorff distances.
        alarms: Number of defect-free frames with a detection, (units,).
    """

    pairs: Sums
    iou: Sums
    hausdorff: Sums
    instances: Sums
    matched: Sums
    matched_iou: Sums
    matched_hausdorff: Sums
    alarms: Sums

    @classmethod
    def nothing(cls, units: int, classes: int) -> "Agreement":
        """Sums before the first frame."""
        counts = [np.zeros((units, classes)) for _ in range(7)]
        pairs, iou, hausdorff, instances, matched, matched_iou, matched_hausdorff = counts
        return cls(
            pairs, iou, hausdorff, instances, matched, matched_iou, matched_hausdorff,
            np.zeros(units),
        )  # fmt: skip


def agree(
    truth: Truth,
    networks: Sequence[Network],
    pairs: Sequence[Sequence[Pair]],
    images: Iterable[int],
) -> list[Agreement]:
    """Compare every network's masks with the true ones.

    Args:
        truth: The test part.
        networks: The segmenters.
        pairs: The matches of each of them at mask IoU .50.
        images: All of the part's image ids; passed so that the caller can show progress.
    """
    found = [Agreement.nothing(truth.units, len(truth.classes)) for _ in networks]
    detections = [_by_image(network) for network in networks]
    matches = [
        _pairs_by_image(network, some) for network, some in zip(networks, pairs, strict=True)
    ]
    for image in images:
        unit, side = truth.unit[image], truth.resolution
        annotations = truth.coco.imgToAnns[image]
        true = {one["id"]: decode(one["segmentation"], side, side) for one in annotations}
        labels = {one["id"]: one["category_id"] - 1 for one in annotations}
        for network, sums, by_image, by_match in zip(
            networks, found, detections, matches, strict=True
        ):
            masks = {place: decode(network.predictions[place]["segmentation"], side, side)
                     for place in by_image.get(image, [])}  # fmt: skip
            if truth.frames[image].defect_free:
                sums.alarms[unit] += bool(masks)
            for label in sorted(set(labels.values())):
                here = _union(
                    (mask for place, mask in masks.items()
                     if network.predictions[place]["category_id"] - 1 == label), side
                )  # fmt: skip
                there = _union((true[one] for one in true if labels[one] == label), side)
                sums.pairs[unit, label] += 1
                sums.iou[unit, label] += iou(here, there)
                sums.hausdorff[unit, label] += hausdorff(here, there)
            for label in labels.values():
                sums.instances[unit, label] += 1
            for pair in by_match.get(image, []):
                sums.matched[unit, pair.label] += 1
                sums.matched_iou[unit, pair.label] += pair.iou
                sums.matched_hausdorff[unit, pair.label] += hausdorff(
                    masks[pair.detection], true[pair.truth]
                )
    return found


def _by_image(network: Network) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for place, one in enumerate(network.predictions):
        if one["score"] >= network.threshold:
            found.setdefault(one["image_id"], []).append(place)
    return found


def _pairs_by_image(network: Network, pairs: Sequence[Pair]) -> dict[int, list[Pair]]:
    found: dict[int, list[Pair]] = {}
    for pair in pairs:
        if pair.score >= network.threshold:
            found.setdefault(pair.image, []).append(pair)
    return found


def _union(masks: Iterable[Mask], side: int) -> Mask:
    union: Any = np.zeros((side, side), bool)
    for mask in masks:
        union |= mask
    return union
