"""Intersection over union and Hausdorff distance of two masks."""

import math

import numpy as np

from components.distance import away
from components.instances import Mask, box


def iou(one: Mask, other: Mask) -> float:
    """Share of the pixels of either mask that both have, 0 .. 1; 1 for two empty masks.

    Args:
        one: (height, width).
        other: (height, width).
    """
    either = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / either if either else 1.0


def hausdorff(one: Mask, other: Mask) -> float:
    """Symmetric Hausdorff distance of two pixel sets as a share of the frame's diagonal, 0 .. 1.

    The largest Euclidean distance from a pixel of either set to the nearest pixel of the other,
    divided by the square root of height² + width². It is 1 when exactly one set is empty, as the
    paper has it where nothing is detected, and 0 when both are.

    Args:
        one: (height, width).
        other: (height, width).
    """
    if not one.any() or not other.any():
        return float(one.any() != other.any())
    diagonal = math.hypot(*one.shape)
    # Distances between the sets do not depend on what lies outside the box around both.
    x, y, width, height = box(one | other)
    one, other = one[y : y + height, x : x + width], other[y : y + height, x : x + width]
    return max(_farthest(one, other), _farthest(other, one)) / diagonal


def _farthest(source: Mask, target: Mask) -> float:
    """The largest distance, in pixels, from a pixel of `source` to the nearest of `target`."""
    return float(away(target)[source].max())
