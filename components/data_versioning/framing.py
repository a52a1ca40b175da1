"""Cuts the square frames that models see out of photos of any size.

`photo` framing shows the whole photo: its longer side becomes the resolution and the rest is
filled by reflection. `window` framing shows native pixels where it can: square windows around the
defects, larger than the resolution only where a defect is. A long thin one, such as a crack through
the whole photo, would be lost by that: it is shown piece by piece.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from components import dilation
from components.dataset import Image
from components.instances import Instance, Mask, box, connected

T = TypeVar("T")

Square = tuple[int, int, int]
"""A square of a photo: left and upper edge, side; pixels, may reach outside."""

Box = tuple[int, int, int, int]
"""Left and upper edge, width, height; pixels."""


@dataclass(frozen=True)
class Extent:
    """Where a defect lies in its photo.

    Attributes:
        label: Index of its class.
        area: Its pixels.
        bounds: Its tight box.
        thickness: How thick it is about, pixels; of a line its width.
        stones: Tight boxes of its parts in cells of `STONE` pixels, row by row.
    """

    label: int
    area: int
    bounds: Box
    thickness: float
    stones: tuple[Box, ...]

    @classmethod
    def of(cls, instance: Instance) -> "Extent":
        """The extent of an instance, which is not empty."""
        x, y, width, height = bounds = box(instance.mask)
        own = instance.mask[y : y + height, x : x + width]
        away = cv2.distanceTransform(np.pad(own, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        # In a line of width w the mean distance to its edge is w / 4.
        thickness = 4 * (float(away[own].mean()) - 0.5)
        stones = tuple((x + a, y + b, c, d) for a, b, c, d in _stones(own))
        return cls(instance.label, int(own.sum()), bounds, thickness, stones)


STONE = 16
"""Side of the cells that a defect is divided into, pixels of the photo."""

MARGIN = 1.25
"""A window is at least this many times as large as its defect, as far as the photo goes."""

SHRUNK, THIN = 1.5, 4.0
"""A window shrinks what it shows at most this many times, or until its defect is but so many pixels
thick. A defect that is larger still is shown in pieces."""

PIECES = 16
"""Most windows of one photo's pieces: a network of cracks in a large photo would take hundreds."""

_WINDOWS_FROM = 1.5
_SLIVER_SHARE, _SLIVER_PIXELS = 0.1, 16

Hidden = tuple[float, Sequence[Box]]
"""Side of the largest window for a defect, and boxes of it that no window shows yet."""


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
        return _around(size, defects, resolution, rng)
    return [_window(size, resolution, None, rng) for _ in range(clean_windows)]


def places_of(name: str, *seeds: int) -> np.random.Generator:
    """Random numbers of a photo's own, by its id."""
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng([seeds[0], own, *seeds[1:]])


def cut(picture: Image, square: Square, resolution: int) -> Image:
    """The frame's picture, (resolution, resolution, 3); outside the photo it is reflected."""
    x, y, side = square
    rows = _reflected(np.arange(y, y + side), picture.shape[0])
    columns = _reflected(np.arange(x, x + side), picture.shape[1])
    return _scaled(picture[rows][:, columns], resolution)


def cut_instances(instances: Sequence[Instance], square: Square, resolution: int) -> list[Instance]:
    """The frame's defects, masks (resolution, resolution); slivers at its edge are dropped.

    Where the picture is reflected, so are its defects: they are to be seen there. A reflection that
    does not touch its defect is a defect of its own.
    """
    found: list[Instance] = []
    for instance in instances:
        part = _inside(instance.mask, square)
        visible, whole = int(part.sum()), int(instance.mask.sum())
        if visible == 0 or (visible < _SLIVER_SHARE * whole and visible < _SLIVER_PIXELS):
            continue
        for one in _with_reflections(part, instance.mask, square):
            found.append(Instance(_scaled_mask(one, resolution), instance.label))
    return found


def _with_reflections(part: Mask, mask: Mask, square: Square) -> Iterator[Mask]:
    """A defect in a square with the reflections that touch it, then its other reflections."""
    x, y, side = square
    if 0 <= x <= mask.shape[1] - side and 0 <= y <= mask.shape[0] - side:
        yield part
        return
    rows = _reflected(np.arange(y, y + side), mask.shape[0])
    columns = _reflected(np.arange(x, x + side), mask.shape[1])
    own, others = part, []
    for one in connected(mask[rows][:, columns], 0, smallest=_SLIVER_PIXELS):
        if (one.mask & part).any():
            own = own | one.mask
        else:
            others.append(one.mask)
    yield own
    yield from others


def _whole(size: tuple[int, int]) -> Square:
    height, width = size
    side = max(size)
    return -((side - width) // 2), -((side - height) // 2), side


def _around(
    size: tuple[int, int], defects: Sequence[Extent], resolution: int, rng: np.random.Generator
) -> list[Square]:
    """Windows around what no window before shows of the defects, the largest first.

    Those to be shown in pieces come last. Where that takes more than `PIECES` windows, these show
    pieces drawn at random.
    """
    whole: list[Hidden] = []
    long: list[Hidden] = []
    for one in sorted(defects, key=lambda one: (-one.area, one.label, one.bounds)):
        most = resolution * max(SHRUNK, one.thickness / THIN)
        if MARGIN * max(one.bounds[2:]) <= most:
            whole.append((most, (one.bounds,)))
        else:
            long.append((most, one.stones))
    windows = list(_covering(size, whole, resolution, rng))
    for square in windows:
        long = _hidden(long, square)
    if sum(len(boxes) for _, boxes in long) * STONE * MARGIN > PIECES * SHRUNK * resolution:
        long = _shuffled([(most, _shuffled(boxes, rng)) for most, boxes in long], rng)
    return windows + list(islice(_covering(size, long, resolution, rng), PIECES))


def _covering(
    size: tuple[int, int], hidden: list[Hidden], resolution: int, rng: np.random.Generator
) -> Iterator[Square]:
    """Windows that together show all boxes; the first box is in the first window."""
    while hidden:
        most, boxes = hidden[0]
        shown = _near(boxes, most / MARGIN)
        longest = max(shown[2:])
        side = max(resolution, longest, min(math.ceil(MARGIN * longest), *size))
        square = _window(size, side, shown, rng)
        yield square
        hidden = _hidden(hidden, square)


def _hidden(hidden: Sequence[Hidden], square: Square) -> list[Hidden]:
    """What a window does not show."""
    left = [(most, [one for one in boxes if not _shows(square, one)]) for most, boxes in hidden]
    return [(most, boxes) for most, boxes in left if boxes]


def _shuffled(some: Sequence[T], rng: np.random.Generator) -> list[T]:
    return [some[at] for at in rng.permutation(len(some))]


def _near(boxes: Sequence[Box], most: float) -> Box:
    """A box around the first of some boxes and those near it, as many as `most` pixels hold."""
    left, top, width, height = boxes[0]
    around = left, top, left + width, top + height

    def distance(one: Box) -> int:
        return max(abs(one[0] - left), abs(one[1] - top))

    for x, y, w, h in sorted(boxes[1:], key=distance):
        wider = (
            min(around[0], x), min(around[1], y), max(around[2], x + w), max(around[3], y + h)
        )  # fmt: skip
        if max(wider[2] - wider[0], wider[3] - wider[1]) <= most:
            around = wider
    return around[0], around[1], around[2] - around[0], around[3] - around[1]


def _stones(mask: Mask) -> Iterator[Box]:
    """Tight boxes of a mask's parts in cells of `STONE` pixels, row by row."""
    height, width = (-(-length // STONE) for length in mask.shape)
    room = np.zeros((height * STONE, width * STONE), bool)
    room[: mask.shape[0], : mask.shape[1]] = mask
    cells = room.reshape(height, STONE, width, STONE)
    # Of every cell which of its columns and rows hold something, (height, width, STONE).
    columns, rows = np.asarray(cells.any(1)), np.asarray(cells.any(3)).swapaxes(1, 2)
    first = (one.argmax(2) for one in (columns, rows))
    last = (STONE - one[:, :, ::-1].argmax(2) for one in (columns, rows))
    edges = np.stack([*first, *last], axis=2)
    for y, x in np.argwhere(rows.any(2)).tolist():
        left, top, right, bottom = edges[y, x].tolist()
        yield x * STONE + left, y * STONE + top, right - left, bottom - top


def _window(
    size: tuple[int, int],
    side: int,
    bounds: Box | None,
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


def _shows(square: Square, bounds: Box) -> bool:
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
    """The part of a mask in a square, (side, side); nothing is outside the photo."""
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
