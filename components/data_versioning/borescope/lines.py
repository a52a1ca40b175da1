"""Defects that are lines: cracks and scratches."""

from itertools import pairwise

import numpy as np

from components.data_versioning.borescope.noise import Field, between, ramp
from components.data_versioning.borescope.part import Drawn, Part, drawn, part_around, strength
from components.data_versioning.borescope.wall import Wall

_PIECES = 12
_FRESH, _GROOVE = (0.90, 0.89, 0.86), (0.40, 0.42, 0.45)

Stroke = tuple[float, float, float, float, float, float]
"""A piece of a line: both ends (row, column, row, column) and both half widths, texels."""


def crack(wall: Wall, rng: np.random.Generator, row: float, column: float) -> Drawn:
    """A meandering, branching crack, one to three pixels of a photo wide."""
    # Cracks like to start at a hole's edge.
    y, x = row, column
    dy, dx = _direction(rng)
    near = [
        hole
        for hole in wall.holes
        if (hole[0] - row) * (hole[0] - row) + (hole[1] - column) * (hole[1] - column) < 8100.0
    ]
    if near and rng.random() < 0.5:
        hole = near[int(rng.integers(0, len(near)))]
        y, x = hole[0] + dy * hole[2], hole[1] + dx * hole[2]
    strokes: list[Stroke] = []
    width = between(rng, 1.1, 2.5)
    _grow(rng, strokes, (y, x), (dy, dx), int(rng.integers(9, 26)), width, 0)
    part, depth = _near(strokes)
    open_wall = 1.0 - wall.opening[part.where]
    opacity = np.clip(depth + 0.5, 0.0, 1.0) * open_wall
    contrast = strength(rng)
    if rng.random() < 0.5:  # oxide creeps out of the gap
        halo = ramp(depth, -9.0, 0.0) * open_wall
        wall.paint(part.where, 0.22 * contrast * halo, (0.30, 0.22, 0.16))
    wall.paint(part.where, contrast * opacity, (0.025, 0.02, 0.02))
    wall.height[part.where] -= 2.0 * contrast * ramp(depth, -1.5, 1.0)
    wall.gloss[part.where] *= 1.0 - opacity
    return drawn(0, part, opacity)


def _grow(
    rng: np.random.Generator,
    strokes: list[Stroke],
    start: tuple[float, float],
    heading: tuple[float, float],
    steps: int,
    width: float,
    depth: int,
) -> None:
    """A meandering line that keeps coming back to its first heading, and branches."""
    y, x = start
    dy, dx = heading
    for step in range(steps):
        dy, dx = _bend(dy, dx, between(rng, -0.75, 0.75))
        dy, dx = dy + 0.35 * heading[0], dx + 0.35 * heading[1]
        dy, dx = _bend(dy, dx, 0.0)
        length = between(rng, 4.0, 11.0)
        # The line thins out towards its tip, and is uneven on its way.
        near, far = (1.0 - 0.6 * (step + late) / steps for late in (0, 1))
        uneven = between(rng, 0.8, 1.15)
        strokes.append(
            (y, x, y + dy * length, x + dx * length, width * near * uneven, width * far * uneven)
        )
        y, x = y + dy * length, x + dx * length
        if depth < 2 and 1 < step < steps - 2 and rng.random() < 0.13:
            side = 1.0 if rng.random() < 0.5 else -1.0
            branch = _bend(dy, dx, side * between(rng, 0.6, 1.4))
            _grow(
                rng, strokes, (y, x), branch, max(3, (steps - step) // 2), 0.75 * width, depth + 1
            )


def scratch(wall: Wall, rng: np.random.Generator, row: float, column: float) -> Drawn:
    """One to three long, slightly bowed scores of the same tool."""
    heading = _direction(rng)
    length = between(rng, 70.0, 250.0)
    bow = between(rng, -0.09, 0.09) * length
    width = between(rng, 1.1, 2.1)
    lines = 1 if rng.random() < 0.65 else int(rng.integers(2, 4))
    gap = between(rng, 6.0, 9.0)
    strokes: list[Stroke] = []
    for line in range(lines):
        aside = (line - (lines - 1) / 2) * gap
        strokes += _score(rng, (row, column), heading, length, bow, aside, width)
    part, depth = _near(strokes)
    open_wall = 1.0 - wall.opening[part.where]
    opacity = np.clip(depth + 0.5, 0.0, 1.0) * open_wall
    contrast = strength(rng)
    # Fresh metal shines on a dark wall; on a bright one, the groove is what shows.
    bright = wall.colour[int(row), int(column), 1] > 0.5
    wall.paint(part.where, 0.92 * contrast * opacity, _GROOVE if bright else _FRESH)
    wall.height[part.where] -= 1.8 * contrast * ramp(depth, -1.0, 1.2)
    if not bright:
        wall.gloss[part.where] += 0.5 * contrast * opacity * (1.0 - wall.gloss[part.where])
    return drawn(4, part, opacity)


def _score(
    rng: np.random.Generator,
    middle: tuple[float, float],
    heading: tuple[float, float],
    length: float,
    bow: float,
    aside: float,
    width: float,
) -> list[Stroke]:
    """One score, `aside` from the middle of all, pressed hardest half way."""
    (row, column), (dy, dx) = middle, heading
    first, last = int(rng.integers(0, 3)), _PIECES - int(rng.integers(0, 3))
    ends: list[tuple[float, float, float]] = []
    for piece in range(first, last + 1):
        t = piece / _PIECES
        arch = t * (1.0 - t)
        off = aside + 4.0 * bow * arch
        along = (t - 0.5) * length
        ends.append(
            (
                row + dy * along - dx * off,
                column + dx * along + dy * off,
                width * (0.55 + 1.8 * arch),
            )
        )
    return [(a[0], a[1], b[0], b[1], a[2], b[2]) for a, b in pairwise(ends)]


def _direction(rng: np.random.Generator) -> tuple[float, float]:
    """A unit vector; drawn in the disc, so that no sine is needed."""
    while True:
        y, x = between(rng, -1.0, 1.0), between(rng, -1.0, 1.0)
        length = float(np.sqrt(y * y + x * x))
        if 0.1 < length < 1.0:
            return y / length, x / length


def _bend(y: float, x: float, turn: float) -> tuple[float, float]:
    """The direction (y, x) turned by about `turn` radians."""
    y, x = y + turn * x, x - turn * y
    length = float(np.sqrt(y * y + x * x))
    return y / length, x / length


def _near(strokes: list[Stroke]) -> tuple[Part, Field]:
    """How deep a texel lies inside the nearest stroke, texels; negative outside."""
    ends = np.array([(a[0], a[1]) for a in strokes] + [(a[2], a[3]) for a in strokes])
    low, high = ends.min(0) - 12.0, ends.max(0) + 12.0
    middle = (low + high) / 2
    reach = (high - low) / 2
    part = part_around(float(middle[0]), float(middle[1]), float(reach[0]), float(reach[1]))
    top, left = part.where[0].start, part.where[1].start
    depth = np.full(part.y.shape, -99.0)
    for y0, x0, y1, x1, w0, w1 in strokes:
        rows = slice(max(0, int(min(y0, y1)) - 10 - top), max(0, int(max(y0, y1)) + 11 - top))
        columns = slice(max(0, int(min(x0, x1)) - 10 - left), max(0, int(max(x0, x1)) + 11 - left))
        target = depth[rows, columns]
        y = np.arange(target.shape[0])[:, None] + rows.start + top - y0
        x = np.arange(target.shape[1])[None, :] + columns.start + left - x0
        dy, dx = y1 - y0, x1 - x0
        t = np.clip((y * dy + x * dx) / (dy * dy + dx * dx + 1e-9), 0.0, 1.0)
        off_y, off_x = y - t * dy, x - t * dx
        inside = w0 + (w1 - w0) * t - np.sqrt(off_y * off_y + off_x * off_x)
        np.maximum(target, inside, out=target)
    return part, depth
