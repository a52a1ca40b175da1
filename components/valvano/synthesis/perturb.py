"""Small shape perturbations of a defect mask that keep thin cracks whole.

A crack one pixel wide has no pixel to lose: turned by interpolation and a threshold it falls to
pieces. Here the mask's outline is moved instead: a signed distance to it, at twice the resolution
and with diagonal steps bridged, is looked up at the moved pixels. A band that is one pixel wide
covers at least one pixel centre in every row or column that it crosses. A mask that falls apart
because it shrinks is widened by as much as keeps such a band one pixel wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from components.distance import away
from components.instances import Mask

KNOTS = 4
"""The displacement is smooth between this many random values along the mask's box."""

STEEPEST = 0.25
"""Largest change of the displacement from one pixel to the next, pixels."""


@dataclass(frozen=True)
class Perturbation:
    """How a mask's shape differs from the annotated one; the defaults change nothing.

    Attributes:
        rotation: Degrees, about the centre of the mask's box.
        scaling: Factor, about the same centre.
        warp: Amplitude of a smooth random displacement, pixels.
        warp_seed: Seed of that displacement.
    """

    rotation: float = 0.0
    scaling: float = 1.0
    warp: float = 0.0
    warp_seed: int = 0

    @property
    def still(self) -> bool:
        """Whether it changes nothing."""
        return (self.rotation, self.scaling, self.warp) == (0, 1, 0)


@dataclass(frozen=True)
class Patch:
    """Masks in a box of their own.

    Attributes:
        x: Left edge of the box in the frame, pixels; may be negative.
        y: Upper edge of the box in the frame, pixels; may be negative.
        masks: The masks, all (height, width) of the box; together they reach all its edges.
    """

    x: int
    y: int
    masks: tuple[Mask, ...]

    @property
    def union(self) -> Mask:
        """Pixels of any of the masks."""
        return np.logical_or.reduce(self.masks)

    def within(self, dx: int, dy: int, side: int) -> tuple[tuple[slice, slice], list[Mask]]:
        """The part of a frame (side, side) that the moved box covers, and the masks' part in it.

        The masks are cut off at the frame's edge, so that some may be empty.
        """
        height, width = self.masks[0].shape
        top, left = self.y + dy, self.x + dx
        rows = slice(min(max(top, 0), side), min(max(top + height, 0), side))
        columns = slice(min(max(left, 0), side), min(max(left + width, 0), side))
        inner = (
            slice(rows.start - top, rows.stop - top),
            slice(columns.start - left, columns.stop - left),
        )
        return (rows, columns), [mask[inner] for mask in self.masks]

    def placed(self, dx: int, dy: int, side: int) -> list[Mask]:
        """The masks in a frame (side, side), moved by whole pixels; empty ones are left out."""
        where, masks = self.within(dx, dy, side)
        found = []
        for mask in masks:
            if mask.any():
                frame = np.zeros((side, side), bool)
                frame[where] = mask
                found.append(frame)
        return found


def perturb(masks: Sequence[Mask], how: Perturbation) -> Patch:
    """Move all masks' outlines by one and the same perturbation.

    A mask that the frame cuts off is taken to go on past the frame as it is at the edge, so that
    no straight cut moves into view; the patch then reaches past the frame.

    Args:
        masks: Masks of one frame, none of them empty, (height, width).
        how: The perturbation.

    Returns:
        As many masks, none empty, in the order given.

    Raises:
        ValueError: If there is no mask, or an empty one.
    """
    if not masks or not all(mask.any() for mask in masks):
        raise ValueError("a perturbation needs masks that are not empty; leave empty ones out")
    if how.still:
        x, y, width, height = cv2.boundingRect(np.logical_or.reduce(masks).astype(np.uint8))
        return Patch(x, y, tuple(mask[y : y + height, x : x + width].copy() for mask in masks))
    masks, beyond = _continued(masks)
    x, y, width, height = cv2.boundingRect(np.logical_or.reduce(masks).astype(np.uint8))
    cuts = [mask[y : y + height, x : x + width] for mask in masks]
    way = _motion(width, height, how)
    widening = max(((1 + way.strain) / how.scaling - 1) / 2, 0.0)
    moved = [_looked_up(cut, way.source_x, way.source_y, widening) for cut in cuts]
    tight = cv2.boundingRect(np.logical_or.reduce(moved).astype(np.uint8))
    inner = slice(tight[1], tight[1] + tight[3]), slice(tight[0], tight[0] + tight[2])
    return Patch(
        x - beyond + way.left + tight[0],
        y - beyond + way.top + tight[1],
        tuple(mask[inner].copy() for mask in moved),
    )


def carry(
    values: NDArray[np.float32], masks: Sequence[Mask], how: Perturbation, dx: int, dy: int
) -> NDArray[np.float32]:
    """What lies at and around masks, moved as `perturb` and then (dx, dy) move the masks.

    Args:
        values: Of every pixel of the masks' frame, (side, side, channels).
        masks: The masks, as `perturb` takes them.
        how: The perturbation.
        dx: Pixels to the right.
        dy: Pixels down.

    Returns:
        The same shape; 0 where nothing was moved to, or from past the frame.
    """
    size = values.shape[1], values.shape[0]
    if how.still:
        shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        return cv2.warpAffine(values, shift, size, flags=cv2.INTER_NEAREST)
    masks, beyond = _continued(masks)
    x, y, width, height = cv2.boundingRect(np.logical_or.reduce(masks).astype(np.uint8))
    way = _motion(width, height, how)
    x, y = x - beyond, y - beyond
    # Cubic, for linear interpolation takes a tenth of the contrast of a line of two pixels.
    moved = cv2.remap(values, way.source_x + x, way.source_y + y, cv2.INTER_CUBIC)
    shift = np.array([[1, 0, x + way.left + dx], [0, 1, y + way.top + dy]], np.float32)
    return cv2.warpAffine(moved, shift, size, flags=cv2.INTER_NEAREST)


@dataclass(frozen=True)
class _Motion:
    """Where the pixels of a moved box come from, all relative to the corner of the masks' box.

    Attributes:
        left: Left edge of the moved box.
        top: Its upper edge.
        source_x: Where each of its pixels comes from, (size, size).
        source_y: The same downwards.
        strain: How much the displacement squeezes.
    """

    left: int
    top: int
    source_x: NDArray[np.float32]
    source_y: NDArray[np.float32]
    strain: float


def _continued(masks: Sequence[Mask]) -> tuple[Sequence[Mask], int]:
    """Masks that the frame cuts off, gone on past it, and by how many pixels on every side."""
    union = np.logical_or.reduce(masks)
    if not (union[0].any() or union[-1].any() or union[:, 0].any() or union[:, -1].any()):
        return masks, 0
    beyond = max(union.shape) // 4
    return [np.pad(mask, beyond, mode="edge") for mask in masks], beyond


def _motion(width: int, height: int, how: Perturbation) -> _Motion:
    """How a box of masks moves."""
    # The box of the moved masks: half its diagonal, scaled, and the displacement around it.
    reach = int(np.ceil(np.hypot(width, height) / 2 * how.scaling + how.warp)) + 2
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    # Moved by whole pixels only, so that the centre stays where it is up to its half pixel.
    left, top = int(np.floor(centre_x)) - reach, int(np.floor(centre_y)) - reach
    return _Motion(left, top, *_sources(2 * reach + 2, centre_x, centre_y, left, top, how))


def _sources(
    size: int, centre_x: float, centre_y: float, left: int, top: int, how: Perturbation
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Where every pixel of the new box comes from, and how much the displacement squeezes."""
    steps = np.arange(size, dtype=np.float32)
    across, down = steps[None] + (left - centre_x), steps[:, None] + (top - centre_y)
    angle = np.deg2rad(how.rotation)
    cosine, sine = np.cos(angle) / how.scaling, np.sin(angle) / how.scaling
    source_x = (centre_x + cosine * across - sine * down).astype(np.float32)
    source_y = (centre_y + sine * across + cosine * down).astype(np.float32)
    if not how.warp:
        return source_x, source_y, 0.0
    rng = np.random.default_rng([how.warp_seed, 0])
    knots = rng.uniform(-how.warp, how.warp, (KNOTS, KNOTS, 2)).astype(np.float32)
    # A displacement that is steep against the mask's size would tear it.
    steep = max(float(np.abs(np.diff(knots, axis=axis)).max()) for axis in (0, 1)) * KNOTS / size
    knots *= min(1.0, STEEPEST / steep)
    field = cv2.resize(knots, (size, size), interpolation=cv2.INTER_LINEAR)
    # Linear pieces are made smooth over half their length; no slope grows by it.
    field = cv2.blur(field, (size // KNOTS // 2 * 2 + 1,) * 2, borderType=cv2.BORDER_REPLICATE)
    return source_x + field[:, :, 0], source_y + field[:, :, 1], min(steep, STEEPEST)


def _looked_up(
    cut: Mask, source_x: NDArray[np.float32], source_y: NDArray[np.float32], widening: float
) -> Mask:
    edge = 3
    distance = _distance(np.pad(cut, edge))
    # Centre of a pixel lies between the two half pixels of the doubled map.
    found: NDArray[np.float32] = cv2.remap(
        distance,
        (source_x + edge) * 2 + np.float32(0.5),
        (source_y + edge) * 2 + np.float32(0.5),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=-1e3,
    )
    parts = _count(cut)
    # Steps of a raster line lie up to a fifth of a pixel off the line.
    for wider in (0.0, widening + 0.05, widening + 0.2):
        inside: Mask = found > -wider
        if _count(inside) <= parts:
            break
    if not inside.any():
        inside[np.unravel_index(found.argmax(), found.shape)] = True
    return inside


def _count(mask: Mask) -> int:
    """Number of 8-connected components."""
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0]) - 1


def _distance(mask: Mask) -> NDArray[np.float32]:
    """Signed distance to the mask's outline at twice its resolution, pixels; positive inside."""
    doubled = np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1).astype(np.uint8)
    a, b, c, d = mask[:-1, :-1], mask[:-1, 1:], mask[1:, :-1], mask[1:, 1:]
    falling, rising = a & d & ~b & ~c, b & c & ~a & ~d
    # Two pixels that meet in a corner get the half pixels beside the corner.
    doubled[1:-1:2, 2::2] |= falling
    doubled[2::2, 1:-1:2] |= falling
    doubled[1:-1:2, 1:-1:2] |= rising
    doubled[2::2, 2::2] |= rising
    return (np.where(doubled > 0, away(doubled == 0) - 0.5, 0.5 - away(doubled > 0)) / 2).astype(
        np.float32
    )
