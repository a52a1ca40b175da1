"""Contrast of a mask: does anything stand out there, beside what chance would give?

A mask's contrast in a picture is the absolute difference between the mean grey level inside an
instance and in a ring around it, averaged over the instances with their areas as weights. A small
mask has a large contrast by chance more often than a large one, so each mask is judged against its
own distribution: its contrasts when it is laid on defect-free training frames. It *stands out*
when at most 5 % of those, itself counted among them, are as large. Then 5 % of the masks stand out
where there are no defects, whatever their size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components import dilation
from components.dataset import Dataset, Image
from components.instances import Instance, Mask

GAP = 2
"""Pixels between a mask and its ring, for masks are not exact to the pixel."""

LEVEL = 0.05
"""Share of masks that stand out by chance."""

MOST_FRAMES = 99
"""Defect-free frames that masks are laid on, at most: with 99 the level is met exactly."""

FEWEST_FRAMES = 19
"""With fewer defect-free frames no mask can be among the highest 5 %."""

Stack = NDArray[np.uint8]
"""Grey pictures, one row each, (pictures, height * width)."""


@dataclass(frozen=True)
class Standing:
    """How a mask stands out in a picture.

    Attributes:
        contrast: Grey levels, 0 .. 255; NaN where a mask leaves no room for a ring.
        rank: Share of the defect-free frames in which the same mask has less contrast, ties
            counted half, 0 .. 1; the mean over masks is the area under the ROC curve.
        stands_out: Whether it is among the highest 5 %.
    """

    contrast: float
    rank: float
    stands_out: bool


def grey_stack(pictures: Sequence[Image]) -> Stack:
    """Pictures of one size as grey levels."""
    import cv2

    return np.stack([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY).reshape(-1) for one in pictures])


def defect_free(data: Dataset, fraction: float, seed: int) -> list[Image] | None:
    """Some defect-free training frames to lay masks on; None where there are too few."""
    frames = data.frames("train", fraction=fraction, defect_free=True)
    if len(frames) < FEWEST_FRAMES:
        return None
    rng = np.random.default_rng([seed, 7])
    chosen = np.sort(rng.permutation(len(frames))[:MOST_FRAMES])
    return [data.image(frames[one]) for one in chosen]


def contrasts(instances: Sequence[Instance], stack: Stack) -> NDArray[np.float64]:
    """Contrast of one picture's instances in each of many pictures, (pictures,), 0 .. 255.

    Args:
        instances: Masks (height, width).
        stack: Grey pictures of that size.
    """
    there = [one.mask for one in instances if one.mask.any()]
    total, weight = np.zeros(len(stack)), 0
    if there:
        near = dilation.disc(np.any(there, axis=0), GAP)
        for mask in there:
            ring = dilation.disc(mask, GAP + _ring_width(mask)) & ~near
            if ring.any():
                inside = stack[:, mask.reshape(-1)].mean(1)
                around = stack[:, ring.reshape(-1)].mean(1)
                area = int(mask.sum())
                total += area * np.abs(inside - around)
                weight += area
    return total / weight if weight else np.full(len(stack), np.nan)


def standing(instances: Sequence[Instance], picture: Image, clean: Stack) -> Standing:
    """How a picture's instances stand out from the same masks on defect-free frames.

    Args:
        instances: Masks (height, width).
        picture: (height, width, 3).
        clean: The defect-free frames, at least `FEWEST_FRAMES`.
    """
    chance = contrasts(instances, clean)
    contrast = float(contrasts(instances, grey_stack([picture]))[0])
    as_large = np.count_nonzero(chance >= contrast)
    ties = np.count_nonzero(chance == contrast)
    rank = 1 - (as_large - ties / 2) / len(chance) if np.isfinite(contrast) else float("nan")
    return Standing(contrast, float(rank), is_rare(contrast, chance))


def is_rare(value: float, chance: NDArray[np.float64]) -> bool:
    """Whether at most 5 % of what chance gives is as large as a value, itself counted among it.

    Args:
        value: A measurement; NaN is never rare.
        chance: The same measured where there is nothing to find, (frames,).
    """
    # Compared in whole numbers: (1 + as large) / (1 + frames) <= 5 %.
    return bool(np.isfinite(value)) and 20 * (1 + int((chance >= value).sum())) <= 1 + len(chance)


def _ring_width(mask: Mask) -> int:
    return max(3, round(mask.shape[0] / 24))
