"""Cuts the square frames that models see out of photos of any size.

`photo` framing shows the whole photo: its longer side becomes the resolution and the rest is
filled by reflection. `window` framing shows native pixels where it can: square windows around the
defects, larger than the resolution only where a defect is.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from components import dilation
from components.dataset import Image
from components.instances import Instance, Mask, box

Square = tuple[int, int, int]
"""A square of a photo: left and upper edge, side; pixels, may reach outside."""


@dataclass(frozen=True)
class Extent:
    """Where a defect lies in its photo.

    Attributes:
        label: Index of its class.
        area: Its pixels.
        bounds: Its tight box (x, y, width, height).
    """

    label: int
    area: int
    bounds: tuple[int, int, int, int]

    @classmethod
    def of(cls, instance: Instance) -> "Extent":
        """The extent of an instance."""
        return cls(instance.label, int(instance.mask.sum()), box(instance.mask))


MARGIN = 1.25
"""A window is at least this many times as large as its defect."""

_WINDOWS_FROM = 1.5
_SLIVER_SHARE, _SLIVER_PIXELS = 0.1, 16


def framing_of(
    setting: Literal["auto", "photo", "window"], sizes: Sequence[tuple[int, int]], resolution: int
) -> Literal["photo", "window"]:
    """What `auto` means for photos of these sizes, (height, width) in pixels."""
    if setting != "auto":
        return setting
    shorter = float(np.median([min(size) for size in sizes]))
    return "window" if shorter > _WINDOWS_FROM * resolution else "photo"


def squares(
    framing: Literal["photo", "window"],
    size: tuple[int, int],
    defects: Sequence[Extent],
    *,
    resolution: int,
    clean_windows: int,
    seed: int,
    name: str,
) -> list[Square]:
    """The frames of one photo.

    Args:
        framing: How to cut.
        size: (height, width) of the photo, pixels.
        defects: Where its defects lie; none for a defect-free photo.
        resolution: Side of a frame as models see it, pixels.
        clean_windows: Number of windows of a defect-free photo.
        seed: Together with the name decides where windows lie.
        name: The photo's id.
    """
    if framing == "photo":
        return [_whole(size)]
    rng = places_of(name, seed)
    if defects:
        return list(_around(size, defects, resolution, rng))
    return [_window(size, resolution, None, rng) for _ in range(clean_windows)]


def places_of(name: str, *seeds: int) -> np.random.Generator:
    """Random numbers of a photo's own, by its id."""
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng([seeds[0], own, *seeds[1:]])


def usual_side(framing: Literal["photo", "window"], size: tuple[int, int], resolution: int) -> int:
    """Side of the frames of a photo of this size, (height, width), but for large defects."""
    return max(size) if framing == "photo" else resolution


def cut(picture: Image, square: Square, resolution: int) -> Image:
    """The frame's picture, (resolution, resolution, 3); outside the photo it is reflected."""
    x, y, side = square
    rows = _reflected(np.arange(y, y + side), picture.shape[0])
    columns = _reflected(np.arange(x, x + side), picture.shape[1])
    return _scaled(picture[rows][:, columns], resolution)


def cut_instances(instances: Sequence[Instance], square: Square, resolution: int) -> list[Instance]:
    """The frame's defects, masks (resolution, resolution); slivers at its edge are dropped."""
    found: list[Instance] = []
    for instance in instances:
        part = _inside(instance.mask, square)
        visible, whole = int(part.sum()), int(instance.mask.sum())
        if visible == 0 or (visible < _SLIVER_SHARE * whole and visible < _SLIVER_PIXELS):
            continue
        found.append(Instance(_scaled_mask(part, resolution), instance.label))
    return found


def _whole(size: tuple[int, int]) -> Square:
    height, width = size
    side = max(size)
    return -((side - width) // 2), -((side - height) // 2), side


def _around(
    size: tuple[int, int], defects: Sequence[Extent], resolution: int, rng: np.random.Generator
) -> Iterator[Square]:
    """Windows around the defects that no window before shows whole, the largest first."""
    waiting = sorted(defects, key=lambda one: (-one.area, one.label, one.bounds))
    while waiting:
        side = max(resolution, math.ceil(MARGIN * max(waiting[0].bounds[2:])))
        square = _window(size, side, waiting[0].bounds, rng)
        yield square
        waiting = [one for one in waiting if not _shows(square, one.bounds)]


def _window(
    size: tuple[int, int],
    side: int,
    bounds: tuple[int, int, int, int] | None,
    rng: np.random.Generator,
) -> Square:
    """A window at a drawn place: it shows `bounds` whole and stays in the photo if it can."""
    corner: list[int] = []
    for axis, length in ((0, size[1]), (1, size[0])):
        low, high = 0, length - side
        if bounds is not None:
            start, end = bounds[axis], bounds[axis] + bounds[2 + axis]
            low, high = max(low, end - side), min(high, start)
        # A photo smaller than its window lies in the middle of it.
        corner.append(
            int(rng.integers(low, high + 1)) if length > side else -((side - length) // 2)
        )
    return corner[0], corner[1], side


def _shows(square: Square, bounds: tuple[int, int, int, int]) -> bool:
    x, y, side = square
    left, top, width, height = bounds
    return x <= left and y <= top and left + width <= x + side and top + height <= y + side


def _reflected(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Places of a line of `length` pixels mirrored at its ends, without repeating the end."""
    if length == 1:
        return np.zeros_like(places)
    period = 2 * (length - 1)
    folded = np.abs(places) % period
    return np.minimum(folded, period - folded)


def _inside(mask: Mask, square: Square) -> Mask:
    """The part of a mask in a square, (side, side); nothing outside the photo is a defect."""
    x, y, side = square
    part = np.zeros((side, side), bool)
    top, left = max(0, y), max(0, x)
    seen = mask[top : y + side, left : x + side]
    part[top - y : top - y + seen.shape[0], left - x : left - x + seen.shape[1]] = seen
    return part


def _scaled(picture: Image, resolution: int) -> Image:
    if picture.shape[0] == resolution:
        return np.ascontiguousarray(picture)
    shrinks = picture.shape[0] > resolution
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(picture, (resolution, resolution), interpolation=way).astype(np.uint8)


def _scaled_mask(part: Mask, resolution: int) -> Mask:
    """A mask scaled so that a line of one pixel stays a line.

    A pixel of the result is defect where the defect covers at least half of what a one-pixel line
    through it would cover. Edges of large defects move outwards by less than half a pixel.
    """
    side = part.shape[0]
    if side == resolution:
        return part
    way = cv2.INTER_AREA if side > resolution else cv2.INTER_LINEAR
    cover = cv2.resize(part.astype(np.float32), (resolution, resolution), interpolation=way)
    scaled = cover >= 0.5 * min(1.0, resolution / side)
    # What has vanished all the same, such as a speck on the corner of four pixels, is put back.
    rows, columns = (places * resolution // side for places in np.nonzero(part))
    lost = ~dilation.square(scaled, 1)[rows, columns]
    scaled[rows[lost], columns[lost]] = True
    return scaled
