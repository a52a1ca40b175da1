"""Pictures for people: grids of photos with their masks drawn on."""

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components import dilation
from components.dataset import Image


def class_colours(count: int) -> NDArray[np.uint8]:
    """One saturated colour a class, (count, 3), far from grey and from each other.

    The hues divide the circle evenly, so a colour depends on the class's label and the number of
    classes alone.
    """
    return np.array(
        [
            [round(255 * part) for part in colorsys.hsv_to_rgb(label / max(count, 1), 1.0, 1.0)]
            for label in range(count)
        ],
        np.uint8,
    ).reshape(count, 3)


def draw_masks(picture: Image, class_map: NDArray[np.uint8], classes: int) -> Image:
    """The picture with a one-pixel outline of every defect in its class's colour.

    The outline lies outside the defect, so that nothing of it is hidden.
    """
    drawn = picture.copy()
    colours = class_colours(classes)
    for label in range(classes):
        outline = dilation.square(class_map == label + 1, 1) & (class_map == 0)
        drawn[outline] = colours[label]
    return drawn


def grid(pictures: Sequence[Image], columns: int, gap: int = 2) -> Image:
    """Pictures of one size in rows of `columns`, on white.

    Raises:
        ValueError: If there are none, or their sizes differ.
    """
    if not pictures or len({picture.shape for picture in pictures}) != 1:
        raise ValueError("a grid needs at least one picture, and all of one size")
    height, width, _ = pictures[0].shape
    rows = -(-len(pictures) // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        y, x = (number // columns) * (height + gap), (number % columns) * (width + gap)
        canvas[y : y + height, x : x + width] = picture
    return canvas
