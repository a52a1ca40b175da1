"""A real defect laid on a defect-free photo, where the plan puts its mask.

The mask of every planned image comes from an annotated photo; here the defect's own pixels come
along. A drawing may begin with that picture instead of with noise (`synthesis.strength`; SDEdit,
Meng et al. 2022), and alone it is the oldest way to make such images (Dwibedi et al. 2017).
"""

import numpy as np
from numpy.typing import NDArray

from components import dilation
from components.dataset import Dataset, Image
from components.distance import away
from components.instances import Mask, connected
from components.valvano.driver_extraction.recipe import Recipe
from components.valvano.synthesis.perturb import carry
from components.valvano.synthesis.realise import Realised, frame_of, masks_of
from components.valvano.synthesis.row import Row
from components.valvano.synthesis.structure import filled, structure

DARKEST = 8.0
"""Grey levels added to both sides of a ratio, so that shadows do not blow it up."""

LARGEST = 3.0
"""Ratio to its surroundings up to which a defect is taken over, and its inverse down to which."""

SPECK = 1 / 768
"""Smaller structure, as a share of the picture, is grain or the defect's own shade."""


def transplant(row: Row, made: Realised, dataset: Dataset, recipe: Recipe) -> Image:
    """The row's photo with the mask's own defect on it, (side, side, 3).

    What is carried along is the ratio of the defect to the surface it lay on, estimated from around
    it: light and tint are those of the new place. It fades over a few pixels around the mask, and
    beyond that the picture is the photo. Holes and seams of the old place do not come along.

    Args:
        row: The planned image.
        made: What the row stands for.
        dataset: The dataset.
        recipe: The drivers' recipe, for the width of the rim that no surface is estimated from.
    """
    frame = frame_of(dataset, row.mask)
    masks = masks_of(dataset, frame, row.numbers)
    every = np.logical_or.reduce([one.mask for one in dataset.instances(frame)])
    edge = max(2, round(dataset.resolution / 192))
    change = relief(dataset.image(frame), np.logical_or.reduce(masks), every, recipe.rim, edge)
    moved = carry(change, masks, row.perturbation, row.dx, row.dy)
    asked = np.logical_or.reduce([one.mask for one in made.instances])
    shares = _faded(asked, edge)[..., None]
    laid = (made.picture + DARKEST) * np.exp(shares * moved) - DARKEST
    return np.rint(laid).clip(0, 255).astype(np.uint8)


def relief(image: Image, own: Mask, every: Mask, rim: int, edge: int) -> NDArray[np.float32]:
    """Logarithm of a defect's ratio to the surface that it lies on, (height, width, 3).

    Args:
        image: The photo, (height, width, 3).
        own: The defect, (height, width).
        every: It and all others in the photo.
        rim: Pixels around defects that no surface is estimated from.
        edge: Pixels around the defect over which it fades to 0.
    """
    apart = structure(image)
    picture = image.astype(np.float32)
    surface = filled(picture, dilation.square(every, rim) | apart)
    ratio = (picture + DARKEST) / (surface + DARKEST)
    change = np.log(ratio.clip(1 / LARGEST, LARGEST))
    # Masks leave out the holes in a defect, but not the holes' soft edges.
    beside = dilation.square(_large(apart & ~dilation.square(every, 1)), edge)
    if (own & ~beside).any():
        change[own & beside] = filled(change, ~own | beside)[own & beside]
    change[(beside | every) & ~own] = 0
    faded: NDArray[np.float32] = change * _faded(own, edge)[..., None]
    return faded


def _large(mask: Mask) -> Mask:
    """The mask without its specks."""
    parts = connected(mask, 0, smallest=max(2, round(mask.size * SPECK)))
    return np.logical_or.reduce([np.zeros_like(mask), *(one.mask for one in parts)])


def _faded(mask: Mask, edge: int) -> NDArray[np.float32]:
    """1 in a mask, falling to 0 beyond so many pixels around it."""
    return np.clip(1 - away(mask) / (edge + 1), 0, 1).astype(np.float32)
