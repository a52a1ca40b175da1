"""A section of liner wall without defects: material, seams, cooling holes, dirt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.data_versioning.borescope.noise import Field, between, fractal, ramp, smooth

SIDE = 896
"""Side of the wall's maps, texels; two texels are about one pixel of a photo."""

_TINTS = np.array(
    [
        (0.56, 0.55, 0.53),  # bare alloy
        (0.62, 0.54, 0.38),  # straw
        (0.54, 0.40, 0.27),  # bronze
        (0.42, 0.31, 0.35),  # purple
        (0.33, 0.38, 0.47),  # blue
        (0.45, 0.48, 0.50),  # grey
    ]
)
"""Colours that nickel alloys take on as they get hotter, reflectance of red, green, blue."""


@dataclass
class Wall:
    """Maps over the wall, (SIDE, SIDE) each; rows run along the engine, columns around it.

    Attributes:
        colour: Reflectance of red, green and blue, (SIDE, SIDE, 3), 0 .. 1.
        height: Relief towards the camera, texels.
        gloss: Strength of the mirror reflection, 0 .. 1.
        opening: 1 inside a cooling hole, where there is no wall.
        holes: Centre row, centre column and radius of every cooling hole, texels.
        coated: Whether a ceramic thermal barrier covers the metal.
    """

    colour: NDArray[np.float64]
    height: Field
    gloss: Field
    opening: Field
    holes: list[tuple[float, float, float]]
    coated: bool

    def paint(self, where: tuple[slice, slice], alpha: Field, colour: Sequence[float]) -> None:
        """Lay a colour over a part of the wall with opacity `alpha`, 0 .. 1."""
        part = self.colour[where]
        part += alpha[..., None] * (np.array(colour) - part)


def build(rng: np.random.Generator) -> Wall:
    """A wall drawn at random."""
    material = int(rng.integers(0, 3))
    wall = (_alloy, _coating, _oxide)[material](rng)
    seams = _add_seams(wall, rng)
    _add_holes(wall, rng, seams)
    _add_dirt(wall, rng)
    return wall


def _plain(colour: Sequence[float], gloss: float, *, coated: bool) -> Wall:
    flat = np.zeros((SIDE, SIDE))
    return Wall(
        colour=np.ones((SIDE, SIDE, 3)) * np.array(colour),
        height=flat.copy(),
        gloss=flat + gloss,
        opening=flat.copy(),
        holes=[],
        coated=coated,
    )


def _alloy(rng: np.random.Generator) -> Wall:
    wall = _plain((0.5, 0.5, 0.5), 0.8, coated=False)
    rows = np.arange(SIDE)[:, None] / SIDE
    heat = (
        between(rng, 0.2, 3.6)
        + between(rng, -2.5, 2.5) * (rows - 0.5)
        + between(rng, 0.3, 0.9) * fractal(rng, SIDE, 3, 2, 3, 0.5)
    )
    heat = np.clip(heat, 0.0, len(_TINTS) - 1.001)
    tint = heat.astype(np.int64)
    part = (heat - tint)[..., None]
    tinted = _TINTS[tint] * (1.0 - part) + _TINTS[tint + 1] * part
    strength = between(rng, 0.45, 1.0)
    wall.colour = _TINTS[0] * (1.0 - strength) + tinted * strength
    _machine(wall, rng, between(rng, 0.03, 0.08))
    _mottle(wall, rng, 0.05)
    return wall


def _coating(rng: np.random.Generator) -> Wall:
    warm = between(rng, 0.0, 1.0)
    wall = _plain((0.74, 0.70 - 0.05 * warm, 0.62 - 0.14 * warm), 0.12, coated=True)
    stain = ramp(fractal(rng, SIDE, 3, 3, 4, 0.6), 0.2, 1.9) * between(rng, 0.2, 0.7)
    wall.paint((slice(None), slice(None)), stain, (0.42, 0.33, 0.22))
    wall.height += 0.30 * smooth(rng, SIDE, 300, 300) + 0.5 * fractal(rng, SIDE, 60, 60, 2, 0.6)
    _mottle(wall, rng, 0.08)
    return wall


def _oxide(rng: np.random.Generator) -> Wall:
    grey = between(rng, 0.0, 0.06)
    wall = _plain((0.37 + grey, 0.33 + grey, 0.29 + grey), 0.4, coated=False)
    scale = ramp(fractal(rng, SIDE, 8, 8, 4, 0.7), 0.0, 1.6) * between(rng, 0.2, 0.6)
    wall.paint((slice(None), slice(None)), scale, (0.47, 0.36, 0.25))
    wall.height += 0.4 * fractal(rng, SIDE, 110, 110, 2, 0.7)
    _machine(wall, rng, between(rng, 0.015, 0.05))
    _mottle(wall, rng, 0.07)
    return wall


def _machine(wall: Wall, rng: np.random.Generator, strength: float) -> None:
    """Turning marks around the wall, or grinding marks along it."""
    across = rng.random() < 0.75
    fine = 380 if rng.random() < 0.5 else 220
    marks = smooth(rng, SIDE, fine, 5) + 0.7 * smooth(rng, SIDE, fine // 4, 3)
    bands = 0.6 + 0.4 * ramp(smooth(rng, SIDE, 5, 3), -1.0, 1.0)
    marks = marks * bands if across else (marks * bands).T
    wall.colour *= (1.0 + strength * marks)[..., None]
    wall.height += 5.0 * strength * marks


def _mottle(wall: Wall, rng: np.random.Generator, strength: float) -> None:
    wall.colour *= (1.0 + strength * fractal(rng, SIDE, 10, 10, 5, 0.75))[..., None]
    np.clip(wall.colour, 0.03, 0.92, out=wall.colour)


def _add_seams(wall: Wall, rng: np.random.Generator) -> list[float]:
    """Lips, grooves and welds between panels; returns the rows of the circumferential ones."""
    count = int(rng.integers(0, 3))
    first = between(rng, 190.0, 420.0)
    rows = [first + number * between(rng, 240.0, 330.0) for number in range(count)]
    for row in rows:
        _seam(wall, rng, row, around=True)
    if rng.random() < 0.35:
        _seam(wall, rng, between(rng, 220.0, 680.0), around=False)
    return rows


def _seam(wall: Wall, rng: np.random.Generator, place: float, *, around: bool) -> None:
    wander = 1.5 * smooth(rng, SIDE, 2, 9)[SIDE // 2]
    line = np.arange(SIDE)
    offset = line[:, None] - place - wander[None, :]
    along = np.broadcast_to(line[None, :], offset.shape)
    if not around:
        offset, along = offset.T, along.T
    distance = np.abs(offset)
    kind = int(rng.integers(0, 3))
    if kind == 0:  # a groove
        half = between(rng, 2.0, 4.5)
        wall.colour *= 1.0 - 0.75 * ramp(distance, half + 1.5, half - 1.5)[..., None]
        wall.height -= 2.5 * ramp(distance, half + 3.0, half - 1.0)
    elif kind == 1:  # one panel laps over the next and throws a shadow
        wall.height += 5.0 * ramp(offset, -5.0, 1.0)
        shadow = ramp(offset, -20.0, -3.0) * ramp(offset, 1.0, -1.0)
        wall.colour *= 1.0 - 0.55 * shadow[..., None]
    else:  # a weld with its ripples
        half = between(rng, 9.0, 15.0)
        body = ramp(distance, half + 2.0, half - 4.0)
        pitch = between(rng, 7.0, 11.0)
        bent = (along + 0.03 * offset * offset) / pitch
        phase = bent - np.floor(bent) - 0.5
        wall.height += body * (4.0 - 7.0 * phase * phase)
        where = (slice(None), slice(None))
        wall.paint(where, 0.5 * ramp(distance, half + 16.0, half), (0.40, 0.36, 0.36))
        wall.paint(where, 0.35 * body, (0.52, 0.50, 0.47))


def _add_holes(wall: Wall, rng: np.random.Generator, seams: list[float]) -> None:
    if rng.random() < 0.3:  # one large dilution hole
        row, column = between(rng, 230.0, 660.0), between(rng, 230.0, 660.0)
        _hole(wall, row, column, between(rng, 34.0, 60.0), 1.0)
    large = list(wall.holes)
    if rng.random() < 0.85:  # rows of film cooling holes
        pitch = between(rng, 62.0, 104.0)
        spread = pitch * between(rng, 0.8, 1.3)
        radius = between(rng, 6.0, 10.5)
        slant = 1.0 + between(rng, 0.0, 0.7)
        top = between(rng, 0.0, spread)
        kept = 1.0 if rng.random() < 0.5 else 0.5
        band = between(rng, 200.0, 420.0)
        for number in range(int(SIDE / spread) + 1):
            row = top + number * spread
            start = (number % 2) * pitch / 2 + pitch / 4
            if any(abs(row - seam) < 4 * radius for seam in seams) or (
                kept < 1.0 and abs(row - band - 120.0) > 150.0
            ):
                continue
            for place in range(int((SIDE - radius - start) / pitch) + 1):
                column = start + place * pitch
                if all(
                    (row - y) * (row - y) + (column - x) * (column - x) > 2.5 * wide * wide
                    for y, x, wide in large
                ):
                    _hole(wall, row, column, radius, slant)
    # Air that leaves a hole carries soot along the wall.
    flow = np.cumsum(wall.opening, axis=0)
    reach = int(rng.integers(30, 70))
    trail = flow.copy()
    trail[reach:] -= flow[:-reach]
    trail = np.clip(trail / 24.0, 0.0, 1.0) * (1.0 - wall.opening)
    wall.colour *= 1.0 - between(rng, 0.05, 0.4) * trail[..., None]


def _hole(wall: Wall, row: float, column: float, radius: float, slant: float) -> None:
    reach = int(radius * slant * 1.6) + 4
    rows = slice(max(0, int(row) - reach), min(SIDE, int(row) + reach))
    columns = slice(max(0, int(column) - reach), min(SIDE, int(column) + reach))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    y = (np.arange(rows.start, rows.stop)[:, None] - row) / slant
    x = np.arange(columns.start, columns.stop)[None, :] - column
    distance = np.sqrt(x * x + y * y)
    where = (rows, columns)
    inside = ramp(distance, radius + 1.0, radius - 1.0)
    rim = ramp(distance, radius * 1.25 + 3.0, radius) - inside
    wall.paint(where, 0.35 * rim, (0.62, 0.60, 0.56))
    # The bore's far side still catches a little light.
    depth = 0.008 + 0.05 * ramp(y + 0.0 * x, radius * 1.1, -radius * 0.2)
    part = wall.colour[where]
    part += inside[..., None] * (depth[..., None] * np.array((1.0, 0.93, 0.85)) - part)
    wall.height[where] += 1.2 * rim - 1.5 * inside
    wall.gloss[where] *= 1.0 - inside
    np.maximum(wall.opening[where], inside, out=wall.opening[where])
    wall.holes.append((row, column, radius))


def _add_dirt(wall: Wall, rng: np.random.Generator) -> None:
    where = (slice(None), slice(None))
    soot = ramp(fractal(rng, SIDE, 4, 5, 5, 0.62), between(rng, 0.5, 1.4), 3.0)
    soot *= between(rng, 0.2, 0.75)
    wall.paint(where, soot, (0.13, 0.12, 0.11))
    wall.gloss *= 1.0 - 0.8 * soot
    film = ramp(smooth(rng, SIDE, 3, 28), 0.5, 2.4) * between(rng, 0.0, 0.35)
    wall.paint(where, film.T if rng.random() < 0.3 else film, (0.34, 0.27, 0.18))
    for _ in range(int(rng.integers(10, 60))):
        row, column = between(rng, 4.0, SIDE - 5.0), between(rng, 4.0, SIDE - 5.0)
        radius = between(rng, 0.8, 2.4)
        rows = slice(int(row) - 3, int(row) + 5)
        columns = slice(int(column) - 3, int(column) + 5)
        y = np.arange(SIDE)[rows, None] - row
        x = np.arange(SIDE)[None, columns] - column
        speck = ramp(np.sqrt(x * x + y * y), radius + 1.0, radius - 1.0)
        tone = (0.75, 0.72, 0.66) if rng.random() < 0.25 else (0.16, 0.14, 0.12)
        wall.paint((rows, columns), between(rng, 0.2, 0.6) * speck, tone)
