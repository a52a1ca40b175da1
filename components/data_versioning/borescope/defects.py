"""Five kinds of defect, drawn into a wall's maps together with their exact extent."""

from dataclasses import dataclass

import numpy as np

from components.data_versioning.borescope.noise import Field, fractal, ramp
from components.data_versioning.borescope.wall import SIDE, Wall

CLASSES = ("crack", "pit", "spall", "burn", "scratch")
"""Names of the classes, in the order of their labels."""


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
class _Part:
    """A rectangle of the wall around a defect; (y, x) are texel positions from its centre."""

    where: tuple[slice, slice]
    y: Field
    x: Field


def draw(wall: Wall, rng: np.random.Generator, label: int, row: float, column: float) -> Drawn:
    """Draw one defect of a class at about a place of the wall, texels, and say what it covers."""
    return (_crack, _pit, _spall, _burn, _scratch)[label](wall, rng, row, column)


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def _contrast(rng: np.random.Generator) -> float:
    """How strongly a defect shows; one in five is faint."""
    return _between(rng, 0.42, 0.6) if rng.random() < 0.2 else _between(rng, 0.68, 1.0)


def _part(row: float, column: float, reach_y: float, reach_x: float) -> _Part:
    rows = slice(max(0, int(row - reach_y)), min(SIDE, int(row + reach_y) + 1))
    columns = slice(max(0, int(column - reach_x)), min(SIDE, int(column + reach_x) + 1))
    y = np.arange(rows.start, rows.stop)[:, None] - row
    x = np.arange(columns.start, columns.stop)[None, :] - column
    y, x = np.broadcast_arrays(y, x)
    return _Part((rows, columns), y, x)


def _drawn(label: int, part: _Part, opacity: Field) -> Drawn:
    return Drawn(label, part.where[0].start, part.where[1].start, opacity)


def _noise(rng: np.random.Generator, part: _Part, cells: int, octaves: int) -> Field:
    height, width = part.y.shape
    return fractal(rng, max(height, width), cells, cells, octaves, 0.55)[:height, :width]


def _direction(rng: np.random.Generator) -> tuple[float, float]:
    """A unit vector; drawn in the disc, so that no sine is needed."""
    while True:
        y, x = _between(rng, -1.0, 1.0), _between(rng, -1.0, 1.0)
        length = float(np.sqrt(y * y + x * x))
        if 0.1 < length < 1.0:
            return y / length, x / length


def _bend(y: float, x: float, turn: float) -> tuple[float, float]:
    """The direction (y, x) turned by about `turn` radians."""
    y, x = y + turn * x, x - turn * y
    length = float(np.sqrt(y * y + x * x))
    return y / length, x / length


Stroke = tuple[float, float, float, float, float, float]
"""A piece of a line: both ends (row, column, row, column) and both half widths, texels."""


def _near(strokes: list[Stroke]) -> tuple[_Part, Field]:
    """How deep a texel lies inside the nearest stroke, texels; negative outside."""
    ends = np.array([(a[0], a[1]) for a in strokes] + [(a[2], a[3]) for a in strokes])
    low, high = ends.min(0) - 12.0, ends.max(0) + 12.0
    middle = (low + high) / 2
    reach = (high - low) / 2
    part = _part(float(middle[0]), float(middle[1]), float(reach[0]), float(reach[1]))
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


def _crack(wall: Wall, rng: np.random.Generator, row: float, column: float) -> Drawn:
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
    width = _between(rng, 1.1, 2.5)
    _grow(rng, strokes, (y, x), (dy, dx), int(rng.integers(9, 26)), width, 0)
    part, depth = _near(strokes)
    open_wall = 1.0 - wall.opening[part.where]
    opacity = np.clip(depth + 0.5, 0.0, 1.0) * open_wall
    contrast = _contrast(rng)
    if rng.random() < 0.5:  # oxide creeps out of the gap
        halo = ramp(depth, -9.0, 0.0) * open_wall
        wall.paint(part.where, 0.22 * contrast * halo, (0.30, 0.22, 0.16))
    wall.paint(part.where, contrast * opacity, (0.025, 0.02, 0.02))
    wall.height[part.where] -= 2.0 * contrast * ramp(depth, -1.5, 1.0)
    wall.gloss[part.where] *= 1.0 - opacity
    return _drawn(0, part, opacity)


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
        dy, dx = _bend(dy, dx, _between(rng, -0.75, 0.75))
        dy, dx = dy + 0.35 * heading[0], dx + 0.35 * heading[1]
        dy, dx = _bend(dy, dx, 0.0)
        length = _between(rng, 4.0, 11.0)
        # The line thins out towards its tip, and is uneven on its way.
        near, far = (1.0 - 0.6 * (step + late) / steps for late in (0, 1))
        uneven = _between(rng, 0.8, 1.15)
        strokes.append(
            (y, x, y + dy * length, x + dx * length, width * near * uneven, width * far * uneven)
        )
        y, x = y + dy * length, x + dx * length
        if depth < 2 and 1 < step < steps - 2 and rng.random() < 0.13:
            side = 1.0 if rng.random() < 0.5 else -1.0
            branch = _bend(dy, dx, side * _between(rng, 0.6, 1.4))
            _grow(
                rng, strokes, (y, x), branch, max(3, (steps - step) // 2), 0.75 * width, depth + 1
            )


def _pit(wall: Wall, rng: np.random.Generator, row: float, column: float) -> Drawn:
    radius = _between(rng, 5.5, 12.0)
    part = _part(row, column, radius * 2.4, radius * 2.4)
    stretch = _between(rng, 0.75, 1.3)
    distance = np.sqrt(part.y * part.y * stretch + part.x * part.x / stretch)
    distance = distance / radius + 0.16 * _noise(rng, part, 3, 3)
    open_wall = 1.0 - wall.opening[part.where]
    opacity = ramp(distance, 1.12, 0.88) * open_wall
    contrast = _contrast(rng)
    rust = ramp(distance, 1.8, 0.9) * open_wall
    wall.paint(part.where, 0.35 * contrast * rust, (0.38, 0.22, 0.11))
    wall.paint(part.where, 0.85 * contrast * opacity, (0.11, 0.07, 0.05))
    wall.height[part.where] -= 0.8 * radius * contrast * ramp(distance, 1.15, 0.1)
    wall.gloss[part.where] *= 1.0 - 0.7 * opacity
    return _drawn(1, part, opacity)


def _spall(wall: Wall, rng: np.random.Generator, row: float, column: float) -> Drawn:
    reach = _between(rng, 24.0, 62.0)
    part = _part(row, column, reach * 1.7, reach * 1.7)
    stretch = _between(rng, 0.55, 1.8)
    distance = np.sqrt(part.y * part.y * stretch + part.x * part.x / stretch) / reach
    edge = 1.0 - distance + 0.20 * _noise(rng, part, 5, 4)
    open_wall = 1.0 - wall.opening[part.where]
    soft = 0.9 / reach
    opacity = ramp(edge, -soft, soft) * open_wall
    contrast = _contrast(rng)
    grain = _noise(rng, part, 22, 3)
    tone = np.clip(1.0 + 0.18 * grain, 0.5, 1.5)
    # Under a coating lies the dark bond coat; torn metal is brighter and matt.
    bare = (0.36, 0.31, 0.28) if wall.coated else (0.60, 0.58, 0.55)
    colour = tone[..., None] * np.array(bare)
    view = wall.colour[part.where]
    view += (0.9 * contrast * opacity)[..., None] * (colour - view)
    # The step at the rim catches the light on one side and throws a shadow on the other.
    deep = 4.5 * contrast
    wall.height[part.where] += opacity * 0.8 * grain - deep * ramp(edge, -2.5 * soft, 4.0 * soft)
    rim = opacity * ramp(edge, 5.0 * soft, 0.0)
    wall.paint(part.where, 0.5 * contrast * rim, (0.17, 0.14, 0.12))
    wall.gloss[part.where] *= 1.0 - 0.6 * opacity
    return _drawn(2, part, opacity)


def _burn(wall: Wall, rng: np.random.Generator, row: float, column: float) -> Drawn:
    reach = _between(rng, 26.0, 66.0)
    part = _part(row, column, reach * 2.1, reach * 2.1)
    stretch = _between(rng, 0.6, 1.7)
    distance = np.sqrt(part.y * part.y * stretch + part.x * part.x / stretch) / reach
    rough = _noise(rng, part, 4, 5)
    edge = 1.0 - distance + 0.20 * rough
    open_wall = 1.0 - wall.opening[part.where]
    opacity = ramp(edge, -0.05, 0.22) * open_wall
    contrast = _contrast(rng)
    # Heat tints run ahead of the burn itself.
    blue = ramp(edge, -0.7, -0.25) * ramp(edge, 0.10, -0.15) * open_wall
    straw = ramp(edge, -1.0, -0.6) * ramp(edge, -0.2, -0.5) * open_wall
    wall.paint(part.where, 0.26 * contrast * straw, (0.56, 0.40, 0.18))
    wall.paint(part.where, 0.22 * contrast * blue, (0.25, 0.26, 0.40))
    wall.paint(part.where, 0.78 * contrast * opacity, (0.21, 0.115, 0.05))
    core = ramp(edge + 0.16 * _noise(rng, part, 12, 4), 0.08, 0.5) * open_wall
    wall.paint(part.where, 0.88 * contrast * core, (0.03, 0.027, 0.027))
    ash = core * ramp(_noise(rng, part, 20, 4), 0.7, 2.6)
    wall.paint(part.where, 0.45 * contrast * ash, (0.36, 0.31, 0.27))
    wall.height[part.where] += core * 0.8 * _noise(rng, part, 18, 3)
    wall.gloss[part.where] *= 1.0 - 0.9 * opacity
    return _drawn(3, part, opacity)


def _scratch(wall: Wall, rng: np.random.Generator, row: float, column: float) -> Drawn:
    dy, dx = _direction(rng)
    length = _between(rng, 70.0, 250.0)
    bow = _between(rng, -0.09, 0.09) * length
    width = _between(rng, 1.0, 2.0)
    lines = 1 if rng.random() < 0.65 else int(rng.integers(2, 4))
    gap = _between(rng, 6.0, 9.0)
    pieces = 12
    strokes: list[Stroke] = []
    for line in range(lines):
        shift = (line - (lines - 1) / 2) * gap
        first, last = sorted((int(rng.integers(0, 3)), pieces - int(rng.integers(0, 3))))
        points = []
        for piece in range(first, last + 1):
            t = piece / pieces
            aside = shift + 4.0 * bow * t * (1.0 - t)
            points.append(
                (
                    row + dy * (t - 0.5) * length - dx * aside,
                    column + dx * (t - 0.5) * length + dy * aside,
                )
            )
        # Pressed hardest in the middle.
        wide = [
            width * (0.55 + 1.8 * (place / pieces) * (1.0 - place / pieces))
            for place in range(first, last + 1)
        ]
        strokes += [
            (*a, *b, u, v)
            for (a, u), (b, v) in zip(
                zip(points, wide, strict=True), list(zip(points, wide, strict=True))[1:],
                strict=False,
            )
        ]  # fmt: skip
    part, depth = _near(strokes)
    open_wall = 1.0 - wall.opening[part.where]
    opacity = np.clip(depth + 0.5, 0.0, 1.0) * open_wall
    contrast = _contrast(rng)
    bare = (0.50, 0.46, 0.42) if wall.coated else (0.86, 0.85, 0.82)
    wall.paint(part.where, 0.9 * contrast * opacity, bare)
    wall.height[part.where] -= 1.8 * contrast * ramp(depth, -1.0, 1.2)
    wall.gloss[part.where] += 0.5 * contrast * opacity * (1.0 - wall.gloss[part.where])
    return _drawn(4, part, opacity)
