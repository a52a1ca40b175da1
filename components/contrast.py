"""Contrast of a mask: does anything stand out there, beside what chance would give?

A picture's look at a pixel is its grey level, its colour and how fine-grained it is there. A mask's
*difference* is the mean look inside an instance minus that in a ring around it, averaged over the
instances with their areas as weights. What chance gives is seen where the same mask is laid on
defect-free training frames. A mask *stands out* when, among these differences and its own, at most
5 % lie as far from their mean, as far as they vary (Mahalanobis distance, each direction in its own
unit). All are treated alike, so that 5 % of the masks stand out where there are no defects,
whatever their size (Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random World*, 2005,
section 2.2).
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

_FINE = 1.5
"""Pixels; what a blur of this deviation takes away is fine grain."""

_COLOURS = slice(1, 3)
"""Where a look has its colours."""

_LEAST = 0.25
"""Deviation, levels, that rounding alone may give. Photos whose colours vary no more are grey: a
tint that only a drawing brings would stand out from them however faint, so it is not looked at."""

Looks = NDArray[np.uint8]
"""How pictures look, (height * width, pictures, 4): grey level, CIELAB's a and b, grain."""


@dataclass(frozen=True)
class Standing:
    """How a mask stands out in a picture.

    Attributes:
        contrast: Difference of the grey levels, without its sign, 0 .. 255; NaN where a mask leaves
            no room for a ring.
        rank: Share of the defect-free frames in which the same mask's difference is smaller, ties
            counted half, 0 .. 1; the mean over masks is the area under the ROC curve.
        stands_out: Whether it is among the highest 5 %.
    """

    contrast: float
    rank: float
    stands_out: bool


def looks(pictures: Sequence[Image]) -> Looks:
    """How pictures of one size look."""
    return np.stack([_look(one) for one in pictures], axis=1)


def defect_free(data: Dataset, fraction: float, seed: int) -> list[Image] | None:
    """Some defect-free training frames to lay masks on; None where there are too few."""
    frames = data.frames("train", fraction=fraction, defect_free=True)
    if len(frames) < FEWEST_FRAMES:
        return None
    rng = np.random.default_rng([seed, 7])
    chosen = np.sort(rng.permutation(len(frames))[:MOST_FRAMES])
    return [data.image(frames[one]) for one in chosen]


def differences(instances: Sequence[Instance], seen: Looks) -> NDArray[np.float64]:
    """Differences of one picture's instances in each of many pictures, (pictures, 4).

    Args:
        instances: Masks (height, width).
        seen: Looks of pictures of that size.

    Returns:
        Inside minus around; NaN where no mask leaves room for a ring.
    """
    there = [one.mask for one in instances if one.mask.any()]
    total, weight = np.zeros(seen.shape[1:]), 0
    if there:
        near = dilation.disc(np.any(there, axis=0), GAP)
        for mask in there:
            ring = dilation.disc(mask, GAP + _ring_width(mask)) & ~near
            if ring.any():
                area = int(mask.sum())
                total += area * (_mean(seen, mask) - _mean(seen, ring))
                weight += area
    return total / weight if weight else np.full(seen.shape[1:], np.nan)


def standing(
    instances: Sequence[Instance], picture: Image, clean: Looks, margin: float = 1.0
) -> Standing:
    """How a picture's instances stand out from the same masks on defect-free frames.

    Args:
        instances: Masks (height, width).
        picture: (height, width, 3).
        clean: Looks of the defect-free frames, at least `FEWEST_FRAMES` of them.
        margin: They must stand out even where they differ so many times less from those frames;
            the contrast is that of the picture.
    """
    own = differences(instances, looks([picture]))
    contrast = float(abs(own[0, 0]))
    if not np.isfinite(contrast):
        return Standing(contrast, float("nan"), False)
    usual = differences(instances, clean)
    fainter = usual.mean(0) + (own - usual.mean(0)) / margin
    *chance, distance = _distances(np.concatenate([usual, fainter]))
    smaller, ties = np.less(chance, distance), np.equal(chance, distance)
    rank = float(smaller.mean() + ties.mean() / 2)
    return Standing(contrast, rank, is_rare(distance, np.array(chance)))


def is_rare(value: float, chance: NDArray[np.float64]) -> bool:
    """Whether at most 5 % of what chance gives is as large as a value, itself counted among it.

    Args:
        value: A measurement; NaN is never rare.
        chance: The same measured where there is nothing to find, (frames,).
    """
    # Compared in whole numbers: (1 + as large) / (1 + frames) <= 5 %.
    return bool(np.isfinite(value)) and 20 * (1 + int((chance >= value).sum())) <= 1 + len(chance)


def _look(picture: Image) -> NDArray[np.uint8]:
    """A picture's look, (height * width, 4)."""
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    colour = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 1:]
    level = grey.astype(np.float32)
    grain = np.log1p(np.abs(level - cv2.GaussianBlur(level, (0, 0), _FINE)))
    # A logarithm, for some bright specks would outweigh the rest; at most ln 256.
    fineness = np.round(grain * (255 / np.log(256))).astype(np.uint8)
    return np.dstack([grey, colour, fineness]).reshape(-1, 4)


def _mean(seen: Looks, mask: Mask) -> NDArray[np.float64]:
    """Mean look inside a mask, (pictures, 4)."""
    mean: NDArray[np.float64] = seen[np.flatnonzero(mask)].mean(0, dtype=np.float64)
    return mean


def _distances(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Mahalanobis distances of rows from their mean, (rows,); the last is asked about."""
    if (rows[:-1, _COLOURS].std(0) < _LEAST).all():
        rows = np.delete(rows, _COLOURS, axis=1)
    away = rows - rows.mean(0)
    inverse = np.linalg.inv(away.T @ away / len(away) + _LEAST**2 * np.eye(away.shape[1]))
    # Rounded, so that like rows have like distances whatever their place.
    return np.round(np.einsum("ij,jk,ik->i", away, inverse, away), 9)


def _ring_width(mask: Mask) -> int:
    return max(3, round(mask.shape[0] / 24))
