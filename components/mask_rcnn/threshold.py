"""The score from which on a detection counts, chosen on the validation part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.instances import Instance, Mask
from components.mask_rcnn.backend import Detection

STRICT, LENIENT = 0.5, 0.3
"""Mask IoU at which a detection and a defect match. The lenient one is used only where nothing
reaches the strict one, as happens with cracks of few pixels and little training."""


@dataclass(frozen=True)
class Threshold:
    """A score threshold and what it was chosen by.

    Attributes:
        score: Detections of this score or a higher one count, 0 .. 1.
        f1: Their F1 on the validation part, 0 .. 1.
        overlap: The mask IoU at which a detection and a defect were matched.
    """

    score: float
    f1: float
    overlap: float


def choose(
    truth: Sequence[Sequence[Instance]], found: Sequence[Sequence[Detection]]
) -> Threshold | None:
    """The threshold of largest F1; the higher one of equals.

    Detections of an image are matched by descending score, each to the free defect of its class
    that it overlaps most, if their mask IoU suffices. Matches are true positives, other
    detections false ones (on defect-free images too), other defects are missed;
    F1 = 2 TP / (detections + defects), over all images together.

    Args:
        truth: The defects of every image.
        found: The detections of every image, in the same order.

    Returns:
        Nothing if no detection overlaps a defect of its class by as much as `LENIENT`.
    """
    for overlap in (STRICT, LENIENT):
        scores, hits = _outcomes(truth, found, overlap)
        if hits.any():
            order = np.argsort(-scores, kind="stable")
            scores, right = scores[order], np.cumsum(hits[order])
            defects = sum(len(one) for one in truth)
            f1 = 2 * right / (np.arange(1, len(scores) + 1) + defects)
            # Detections of one score count together or not at all.
            last = np.append(scores[1:] != scores[:-1], True)
            best = int(np.argmax(np.where(last, f1, -1.0)))
            return Threshold(float(scores[best]), float(f1[best]), overlap)
    return None


def _outcomes(
    truth: Sequence[Sequence[Instance]], found: Sequence[Sequence[Detection]], overlap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Score of every detection, and whether it found a defect."""
    scores: list[float] = []
    hits: list[bool] = []
    for defects, detections in zip(truth, found, strict=True):
        free = list(defects)
        for one in sorted(detections, key=lambda detection: -detection.score):
            rivals = [
                (iou(one.mask, defect.mask), number)
                for number, defect in enumerate(free)
                if defect.label == one.label
            ]
            best, number = max(rivals, default=(0.0, -1), key=lambda rival: rival[0])
            scores.append(one.score)
            hits.append(best >= overlap)
            if best >= overlap:
                del free[number]
    return np.array(scores, float), np.array(hits, bool)


def iou(first: Mask, second: Mask) -> float:
    """Intersection over union of two masks of one shape, 0 .. 1; 0 where both are empty."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 0.0
