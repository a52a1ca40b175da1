"""Where on a wall a defect lies, and what it covers."""

from dataclasses import dataclass

import numpy as np

from components.data_versioning.borescope.noise import Field, between, fractal
from components.data_versioning.borescope.wall import SIDE


@dataclass(frozen=True)
class Drawn:
    """A defect on a wall.

    Attributes:
        label: Index of its class.
        row: Upper edge of the part of the wall it lies in, texels.
        column: Left edge of that part, texels.
        opacity: How much of a texel it covers, (height, width) of that part, 0 .. 1.
    """

    label: int
    row: int
    column: int
    opacity: Field


@dataclass(frozen=True)
class Part:
    """A rectangle of the wall around a defect; (y, x) are texel positions from its centre."""

    where: tuple[slice, slice]
    y: Field
    x: Field


def strength(rng: np.random.Generator) -> float:
    """How strongly a defect shows; one in five is faint."""
    return between(rng, 0.42, 0.6) if rng.random() < 0.2 else between(rng, 0.68, 1.0)


def part_around(row: float, column: float, reach_y: float, reach_x: float) -> Part:
    """The part of the wall that is at most so far from a place, texels."""
    rows = slice(max(0, int(row - reach_y)), min(SIDE, int(row + reach_y) + 1))
    columns = slice(max(0, int(column - reach_x)), min(SIDE, int(column + reach_x) + 1))
    y: Field = np.arange(rows.start, rows.stop, dtype=np.float64)[:, None] - row
    x: Field = np.arange(columns.start, columns.stop, dtype=np.float64)[None, :] - column
    shape = (y.size, x.size)
    return Part((rows, columns), np.broadcast_to(y, shape), np.broadcast_to(x, shape))


def drawn(label: int, part: Part, opacity: Field) -> Drawn:
    """A defect that covers `opacity` of a part."""
    return Drawn(label, part.where[0].start, part.where[1].start, opacity)


def noise(rng: np.random.Generator, part: Part, cells: int, octaves: int) -> Field:
    """A rough field over a part, about zero mean and unit deviation."""
    height, width = part.y.shape
    return fractal(rng, max(height, width), cells, cells, octaves, 0.55)[:height, :width]
