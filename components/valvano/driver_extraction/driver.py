"""The topological driver: coarse geometry of a picture with its defects painted on top.

After Valvano et al. 2024, section 3.2: scale down, grey, adaptive threshold, scale back, dim to
0 .. ceiling, paint the defect mask in a colour that encodes the class. The paper divides by 255
last; that is left to whoever feeds a network.

The paper also asks that nobody can tell from a driver whether its picture shows a defect or not.
A plain threshold does not give that: a dark defect lowers its neighbourhood's mean and wipes out
structure around the mask, a bright one surrounds it with a halo. So the picture under the mask and
under a rim around it is *hidden*: the threshold's means leave it out, and no geometry is kept
there. The driver then does not depend on a single hidden pixel, in training as in synthesis.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from components.dataset import Image
from components.valvano.driver_extraction.recipe import Recipe

Map = NDArray[np.uint8]
"""A picture-sized map of small integers, (height, width)."""


def driver(picture: Image, class_map: Map, recipe: Recipe) -> Image:
    """The driver of a picture with the defects in `class_map` painted on it.

    Args:
        picture: RGB, (height, width, 3).
        class_map: Label + 1 inside a defect, 0 elsewhere, (height, width).
        recipe: The recipe.

    Returns:
        RGB, (height, width, 3). Its defects are `class_map`'s, pixel for pixel, and no pixel of
        the picture under `hidden(class_map, recipe)` has a part in it.
    """
    covered = hidden(class_map, recipe)
    return _painted(geometry(picture, recipe, covered), class_map, covered, recipe)


def geometry(picture: Image, recipe: Recipe, covered: Map | None = None) -> Map:
    """The coarse dark structure of a picture.

    A line of one pixel of the scaled picture keeps three quarters of the ceiling after scaling
    back, because structure is scaled back by linear interpolation.

    Args:
        picture: RGB, (height, width, 3).
        recipe: The recipe.
        covered: Nonzero where the picture must not be looked at, (height, width).

    Returns:
        0 .. ceiling, (height, width); 0 where there is no structure or the picture is covered.
    """
    height, width = picture.shape[:2]
    small = (max(round(width * recipe.scale), 1), max(round(height * recipe.scale), 1))
    grey = cv2.cvtColor(_shrunk(picture, small), cv2.COLOR_RGB2GRAY)
    side = _window(recipe, min(small))
    # Thresholding to the ceiling instead of to 255 saves dimming the full-size map afterwards.
    structure = cv2.adaptiveThreshold(
        grey,
        recipe.ceiling,
        cv2.ADAPTIVE_THRESH_MEAN_C,
        cv2.THRESH_BINARY_INV,
        side,
        recipe.constant,
    )
    if covered is not None and (box := _box(covered)) is not None:
        y, x, bottom, right = box
        # Float areas: in bytes a sliver of a covered pixel would round to nothing.
        parts = _shrunk(covered.astype(np.float32), small)
        _look_past(structure, grey, parts > 0, side, recipe)
        whole = cv2.resize(structure, (width, height), interpolation=cv2.INTER_LINEAR)
        whole[y:bottom, x:right][covered[y:bottom, x:right] > 0] = 0
        return whole
    return cv2.resize(structure, (width, height), interpolation=cv2.INTER_LINEAR)


def hidden(class_map: Map, recipe: Recipe) -> Map:
    """1 inside the defects and the rim around them, 0 elsewhere, (height, width)."""
    covered = np.zeros(class_map.shape, np.uint8)
    if (box := _box(class_map)) is None:
        return covered
    y, x, bottom, right = _grown(box, recipe.rim, class_map.shape)
    inside = (class_map[y:bottom, x:right] > 0).astype(np.uint8)
    kernel = np.ones((2 * recipe.rim + 1, 2 * recipe.rim + 1), np.uint8)
    cv2.dilate(inside, kernel, dst=covered[y:bottom, x:right])
    return covered


def paint(geometry: Map, class_map: Map, recipe: Recipe) -> Image:
    """Paint defects on geometry, with an empty rim around them.

    Args:
        geometry: Grey levels, (height, width).
        class_map: Label + 1 inside a defect, 0 elsewhere, (height, width).
        recipe: The recipe.

    Returns:
        RGB, (height, width, 3).

    Raises:
        ValueError: If the map has another size, or a label that the recipe has no colour for.
    """
    if geometry.shape != class_map.shape:
        raise ValueError(
            f"geometry is {geometry.shape}, its class map is {class_map.shape}; they must agree"
        )
    return _painted(geometry, class_map, hidden(class_map, recipe), recipe)


def read_mask(driver: Image, recipe: Recipe) -> Map:
    """The class map (height, width) that was painted on a driver, pixel for pixel."""
    class_map = np.zeros(driver.shape[:2], np.uint8)
    for number, colour in enumerate(recipe.colours.values(), start=1):
        class_map[cv2.inRange(driver, colour, colour) > 0] = number
    return class_map


def brightened(made: Image, recipe: Recipe) -> Image:
    """A driver with its geometry at full brightness, for people."""
    red, green, blue = cv2.split(made)
    low, high = cv2.min(cv2.min(red, green), blue), cv2.max(cv2.max(red, green), blue)
    levels = cv2.cvtColor(cv2.convertScaleAbs(low, alpha=255 / recipe.ceiling), cv2.COLOR_GRAY2RGB)
    return cv2.copyTo(levels, cv2.compare(low, high, cv2.CMP_EQ), made.copy())


def _painted(geometry: Map, class_map: Map, covered: Map, recipe: Recipe) -> Image:
    painted = cv2.cvtColor(geometry, cv2.COLOR_GRAY2RGB)
    if (box := _box(covered)) is None:
        return painted
    y, x, bottom, right = box
    labels = class_map[y:bottom, x:right]
    if labels.max() > len(recipe.colours):
        raise ValueError(
            f"class map holds label {labels.max() - 1}, the recipe has colours for the labels "
            f"below {len(recipe.colours)}; make the drivers of this dataset anew"
        )
    palette = np.zeros((256, 1, 3), np.uint8)
    palette[1 : len(recipe.colours) + 1, 0] = list(recipe.colours.values())
    coloured = cv2.applyColorMap(labels, palette)
    cv2.copyTo(coloured, covered[y:bottom, x:right], painted[y:bottom, x:right])
    return painted


def _look_past(
    structure: Map, grey: Map, covered: NDArray[np.bool_], side: int, recipe: Recipe
) -> None:
    """Redo the threshold around covered pixels with means over uncovered ones, in place."""
    box = _box(covered.astype(np.uint8))
    if box is None:
        return
    reach = side // 2
    y, x, bottom, right = _grown(box, reach, grey.shape)
    # Windows that hold a covered pixel lie in the box; their own reach is a second one.
    top, left, low, far = _grown(box, 2 * reach, grey.shape)
    known = np.where(covered[top:low, left:far], np.float32(0), np.float32(1))
    levels = grey[top:low, left:far] * known
    count, total = (
        cv2.boxFilter(part, -1, (side, side), normalize=False, borderType=cv2.BORDER_REPLICATE)
        for part in (known, levels)
    )
    mean = np.rint(total / np.maximum(count, 1))
    dark = (levels - mean <= -np.floor(recipe.constant)) & (known > 0)
    inner = slice(y - top, bottom - top), slice(x - left, right - left)
    structure[y:bottom, x:right] = np.where(dark[inner], recipe.ceiling, 0)


def _window(recipe: Recipe, side: int) -> int:
    """Side of the threshold's neighbourhood, an odd number of scaled pixels."""
    return max(2 * round((recipe.window * side - 1) / 2) + 1, 3)


def _shrunk(pixels: NDArray, size: tuple[int, int]) -> NDArray:
    """Scale down to (width, height) by area means, by halves as long as that is exact.

    OpenCV has a fast path for halves; twice through it is over twice as fast as once to a quarter.
    """
    height, width = pixels.shape[:2]
    while width % 2 == height % 2 == 0 and width >= 2 * size[0] and height >= 2 * size[1]:
        width, height = width // 2, height // 2
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    if (width, height) == size:
        return pixels
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _box(inside: Map) -> tuple[int, int, int, int] | None:
    """Rows and columns (y, x, bottom, right) that hold all nonzero pixels; None without any."""
    x, y, width, height = cv2.boundingRect(inside)
    return (y, x, y + height, x + width) if width else None


def _grown(
    box: tuple[int, int, int, int], by: int, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    y, x, bottom, right = box
    return max(y - by, 0), max(x - by, 0), min(bottom + by, shape[0]), min(right + by, shape[1])
