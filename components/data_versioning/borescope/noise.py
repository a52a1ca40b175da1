"""Random fields and filters whose bits are the same on every machine."""

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]
"""A map over the wall or the photo, (height, width)."""


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between two others."""
    return low + (high - low) * float(rng.random())


def smooth(rng: np.random.Generator, side: int, rows: int, columns: int) -> Field:
    """A smooth random field, about zero mean and unit deviation.

    Args:
        rng: Source of the lattice.
        side: Side of the square field, pixels.
        rows: Lattice cells from top to bottom.
        columns: Lattice cells from left to right; unequal numbers give streaks.
    """
    lattice = rng.random((rows + 3, columns + 3)) - 0.5
    across = _spline(lattice, side, columns)
    return _spline(across.T, side, rows).T * 7.0


def fractal(
    rng: np.random.Generator, side: int, rows: int, columns: int, octaves: int, decay: float
) -> Field:
    """A sum of smooth fields, each twice as fine and `decay` as strong as the one before."""
    total = np.zeros((side, side))
    power = 0.0
    weight = 1.0
    for _ in range(octaves):
        total += weight * smooth(rng, side, min(rows, side), min(columns, side))
        power += weight * weight
        weight *= decay
        rows, columns = rows * 2, columns * 2
    return total / np.sqrt(power)


def bell(rng: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """Independent values that are nearly normal: zero mean, unit deviation, at most 3.4."""
    thrown = rng.integers(0, 256, (4, *shape), dtype=np.int64)
    return (thrown[0] + thrown[1] + thrown[2] + thrown[3] - 510) / 147.8


def ramp(values: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high`, a smooth step between; `low` may exceed `high`."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def blur(values: Field, passes: int) -> Field:
    """Binomial blur of the first two axes; each pass adds half a squared pixel of variance."""
    for _ in range(passes):
        for axis in (0, 1):
            here = np.moveaxis(values, axis, 0)
            before = np.concatenate([here[:1], here[:-1]])
            after = np.concatenate([here[1:], here[-1:]])
            values = np.moveaxis((before + after) * 0.25 + here * 0.5, 0, axis)
    return values


def sample(values: Field, rows: Field, columns: Field) -> Field:
    """Bilinear values of a field (height, width[, channels]) at fractional positions.

    Positions beyond an edge take the edge's value.
    """
    height, width = values.shape[:2]
    rows = np.clip(rows, 0.0, height - 1.001)
    columns = np.clip(columns, 0.0, width - 1.001)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    down, right = rows - top, columns - left
    # One flat index is much faster than a pair.
    corner = top * width + left
    flat = values.reshape(height * width, *values.shape[2:])
    if values.ndim == 3:
        down, right = down[..., None], right[..., None]
    upper = flat[corner] * (1.0 - right) + flat[corner + 1] * right
    corner += width
    lower = flat[corner] * (1.0 - right) + flat[corner + 1] * right
    return upper * (1.0 - down) + lower * down


def _spline(lattice: Field, side: int, cells: int) -> Field:
    """Cubic B-spline along the last axis, (n, cells + 3) to (n, side)."""
    position = (np.arange(side) + 0.5) * cells / side
    cell = position.astype(np.int64)
    t = position - cell
    s = 1.0 - t
    weights = (
        s * s * s / 6.0,
        (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0,
        (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0,
        t * t * t / 6.0,
    )
    value = lattice[:, cell] * weights[0]
    for offset in (1, 2, 3):
        value = value + lattice[:, cell + offset] * weights[offset]
    return value
