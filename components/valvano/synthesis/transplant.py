"""A real defect laid on a defect-free photo, where the plan puts its mask.

The mask of every planned image comes from an annotated photo; here the defect's own pixels come
along. A drawing may begin with that picture instead of with noise (`synthesis.strength`; SDEdit,
Meng et al. 2022), and alone it is the oldest way to make such images (Dwibedi et al. 2017).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from components.dataset import Dataset, Image
from components.distance import away
from components.instances import Mask
from components.valvano.driver_extraction.recipe import Recipe
from components.valvano.synthesis.perturb import carry
from components.valvano.synthesis.realise import Realised, frame_of, masks_of
from components.valvano.synthesis.row import Row

DARKEST = 8.0
"""Grey levels added to both sides of a ratio, so that shadows do not blow it up."""

LARGEST = 3.0
"""Ratio to its surroundings up to which a defect is taken over, and its inverse down to which."""


def transplant(row: Row, made: Realised, dataset: Dataset, recipe: Recipe) -> Image:
    """The row's photo with the mask's own defect on it, (side, side, 3).

    What is carried along is the ratio of the defect to the surface it lay on, estimated from around
    it: light and tint are those of the new place. It fades over the rim that the driver hides, and
    beyond that the picture is the photo.

    Args:
        row: The planned image.
        made: What the row stands for.
        dataset: The dataset.
        recipe: The drivers' recipe, for the width of the rim.
    """
    frame = frame_of(dataset, row.mask)
    masks = masks_of(dataset, frame, row.numbers)
    own = np.logical_or.reduce(masks)
    every = np.logical_or.reduce([one.mask for one in dataset.instances(frame)])
    picture = dataset.image(frame).astype(np.float32)
    surface = filled(picture, _wider(every, recipe.rim))
    ratio = (picture + DARKEST) / (surface + DARKEST)
    change = np.log(ratio.clip(1 / LARGEST, LARGEST)) * _wider(own, recipe.rim)[..., None]
    # What belongs to another defect beside it stays there.
    change[every & ~own] = 0
    moved = carry(change, masks, row.perturbation, row.dx, row.dy)
    asked = np.logical_or.reduce([one.mask for one in made.instances])
    shares = _faded(asked, recipe.rim)[..., None]
    laid = (made.picture + DARKEST) * np.exp(shares * moved) - DARKEST
    return np.rint(laid).clip(0, 255).astype(np.uint8)


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


def _wider(mask: Mask, by: int) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1,) * 2, np.uint8)), bool)


def _faded(mask: Mask, rim: int) -> NDArray[np.float32]:
    """1 in a mask and around it, falling to 0 at the rim's end."""
    return np.clip((rim + 1 - away(mask)) / max(rim / 2, 1), 0, 1).astype(np.float32)
