"""What a surface has beside defects: holes, seams and edges; and how it would look without."""

import cv2
import numpy as np
from numpy.typing import NDArray

from components import dilation
from components.dataset import Image
from components.instances import Mask, connected

STRUCTURE = 12
"""Grey levels from the median around it at which a pixel belongs to a hole, a seam or an edge."""

WINDOW = 0.25
"""Side of the neighbourhood of that median, as a share of the picture's side."""

WIDEST = 0.5
"""Area of an opening of a mask, as a share of the mask's; what is wider lies beside it."""

RIM = 2
"""Pixels around defects and holes that no surface is estimated from: they are neither."""


def structure(picture: Image) -> Mask:
    """Pixels much darker or brighter than what is around them: holes, seams, edges, defects."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    side = 2 * round(max(grey.shape) * WINDOW / 2) + 1
    apart = np.abs(cv2.blur(grey, (3, 3)).astype(np.int16) - cv2.medianBlur(grey, side))
    return apart > max(STRUCTURE, 4 * float(np.median(apart)))


def filled(picture: NDArray[np.float32], hole: Mask) -> NDArray[np.float32]:
    """A picture (height, width, channels) with a hole filled smoothly from around it.

    Every pixel of the hole becomes a Gaussian mean of what is known around it, of the smallest
    width that sees enough of it.
    """
    known = (~hole).astype(np.float32)
    made = picture.copy()
    left = hole.copy()
    sigma = 2.0
    while left.any() and known.any():
        weight = cv2.GaussianBlur(known, (0, 0), sigma)
        mean = cv2.GaussianBlur(picture * known[..., None], (0, 0), sigma)
        last = sigma > 2 * max(hole.shape)
        seen = left & (weight > (0 if last else 0.05))
        made[seen] = mean[seen] / weight[seen][:, None]
        left &= ~seen
        if last:
            break
        sigma *= 2
    return made


def whole(mask: Mask, every: Mask, picture: Image) -> Mask:
    """A defect's mask, (height, width), closed over the holes of the sheet that it lies around.

    Annotated masks leave out such holes; where the defect is to go, the sheet has none there. What
    lies in a mask's opening is a hole if it is much darker or brighter than the surface around the
    mask: within a ring of a crack there is surface, and it stays open. The frame's edge may cut an
    opening too.

    Args:
        mask: The mask as it was annotated.
        every: It and all others of the photo; an opening with another defect stays open.
        picture: The photo, (height, width, 3).
    """
    areas = [one.mask for one in connected(~mask, 0)]
    openings = [one for one in areas if one.sum() < WIDEST * mask.sum()]
    if not openings:
        return mask
    apart = dilation.square(np.logical_or.reduce([mask, every, *openings]), RIM)
    surface = filled(picture.astype(np.float32), apart | structure(picture))
    made = mask.copy()
    for at in openings:
        differs = np.abs(picture[at].mean() - surface[at].mean())
        if differs > STRUCTURE and not (at & every).any():
            made |= at
    return made
