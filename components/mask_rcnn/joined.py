"""Synthetic images of one photo shown as one.

A photo of a real part often shows several defects, a synthetic image those of one driver. Images
that keep the same photo around their defects agree away from them, so that they can be laid
together: the segmenter sees more defects a step, in ever the same number of steps.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components import dilation
from components.dataset import Image
from components.instances import Instance, Mask

Example = tuple[Image, list[Instance]]
"""A picture (side, side, 3) and its defects."""

UNSEEN = 16
"""Grey levels by which two images may differ where one goes over into the other."""


@dataclass(frozen=True)
class Other:
    """An image that another may be joined with.

    Attributes:
        instances: Its defects.
        read: Gives its pixels, (side, side, 3).
    """

    instances: list[Instance]
    read: Callable[[], Image]


def join(picture: Image, instances: list[Instance], others: Iterable[Other]) -> Example:
    """An image with the defects of others that fit it.

    Every pixel is that of the image whose defects are nearest. Another image fits if its defects
    overlap none, and if it hardly differs along the whole line where the two meet.

    Args:
        picture: (side, side, 3).
        instances: Its defects.
        others: The other images, the first to fit first.
    """
    mine = _union(instances)
    away = _away(mine)
    for one in others:
        theirs = _union(one.instances)
        if not theirs.any() or (mine & theirs).any():
            continue
        beyond = _away(theirs)
        nearer = beyond < away
        line = _beside(nearer) & ~nearer | _beside(~nearer) & nearer
        other = one.read()
        if np.abs(picture[line].astype(np.int16) - other[line]).max(initial=0) > UNSEEN:
            continue
        picture = np.where(nearer[..., None], other, picture)
        instances, mine = [*instances, *one.instances], mine | theirs
        away = np.minimum(away, beyond)
    return picture, instances


def _union(instances: list[Instance]) -> Mask:
    return np.asarray(np.logical_or.reduce([one.mask for one in instances]), bool)


def _away(mask: Mask) -> NDArray[np.float32]:
    """Steps to a mask in the eight directions, whole numbers."""
    import cv2

    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_C, 3), np.float32)


def _beside(mask: Mask) -> Mask:
    """A mask and the pixels beside it."""
    return dilation.square(mask, 1)
