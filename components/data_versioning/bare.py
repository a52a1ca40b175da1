"""Squares of annotated photos where no defect is, for data without defect-free photos.

Collections made for research often hold nothing but photos with defects. What lies beside a defect
is the same surface, and can take a defect-free photo's place: it gives drivers, and shows false
alarms.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from components.data_versioning.framing import Extent, Square, places_of, squares
from components.data_versioning.read import Fact

MOST = 8
"""Squares of one photo."""

_SHARES = (1.0, 0.75, 0.5)
"""Sides that are tried, as shares of other frames': a smaller one is seen magnified."""

_PLACES = 40_000
"""Places to choose from, about: in a large photo they lie on a grid, or there would be millions."""

_APART = 1 / 24
"""Distance of a square from a defect, as a share of its side: outlines are not exact."""


def bare_squares(
    fact: Fact, framing: Literal["photo", "window"], resolution: int, seed: int
) -> list[Square]:
    """Squares inside a photo that keep clear of all its defects, at most `MOST`.

    They are drawn one by one, and two of them overlap by less than half of their side in at least
    one direction. The largest side that has a place is taken: that of the frames that show the
    photo's defects, so that both are seen at one scale, three quarters or half of it, or the same
    of a frame's own pixels. A photo with annotations that are not read (another class, specks) has
    none.

    Args:
        fact: The photo.
        framing: How the frames that show defects are cut.
        resolution: Side of a frame as models see it, pixels.
        seed: Together with the photo's id decides where the squares lie.
    """
    if not fact.complete:
        return []
    size = fact.height, fact.width
    rng = places_of(fact.id, seed, 1)
    for side in sides(fact, framing, resolution, seed):
        if side <= min(size) and (found := _of_side(size, fact.defects, side, rng)):
            return found
    return []


def sides(fact: Fact, framing: Literal["photo", "window"], resolution: int, seed: int) -> list[int]:
    """Sides of squares that are tried, the largest first; see `bare_squares`."""
    shown = squares(
        framing, (fact.height, fact.width), fact.defects,
        resolution=resolution, clean_windows=0, seed=seed, name=fact.id,
    )  # fmt: skip
    usual = [int(np.median([side for *_, side in shown]))] if shown else []
    native = [resolution] if framing == "window" else []
    return sorted({math.ceil(share * one) for share in _SHARES for one in usual + native})[::-1]


def _of_side(
    size: tuple[int, int], defects: Sequence[Extent], side: int, rng: np.random.Generator
) -> list[Square]:
    room = size[0] - side + 1, size[1] - side + 1
    step = min(max(1, round(math.sqrt(room[0] * room[1] / _PLACES))), max(1, side // 4))
    found = _on_grid(room, defects, side, step, rng)
    return found if found or step == 1 else _on_grid(room, defects, side, 1, rng)


def _on_grid(
    room: tuple[int, int],
    defects: Sequence[Extent],
    side: int,
    step: int,
    rng: np.random.Generator,
) -> list[Square]:
    """Squares with their upper left corners on a grid in `room`, (rows, columns)."""
    rows, columns = (np.arange(rng.integers(min(step, length)), length, step) for length in room)
    free = np.ones((len(rows), len(columns)), bool)

    def close(top: int, left: int, height: int, width: int) -> None:
        down = slice(*np.searchsorted(rows, (top, top + height)))
        across = slice(*np.searchsorted(columns, (left, left + width)))
        free[down, across] = False

    apart = math.ceil(_APART * side)
    for left, top, width, height in (stone for defect in defects for stone in defect.stones):
        reach = side + apart - 1
        close(top - reach, left - reach, height + reach + apart, width + reach + apart)
    found: list[Square] = []
    half = math.ceil(side / 2)
    while len(found) < MOST and free.any():
        row, column = divmod(int(rng.choice(np.flatnonzero(free))), len(columns))
        y, x = int(rows[row]), int(columns[column])
        found.append((x, y, side))
        close(y - half + 1, x - half + 1, 2 * half - 1, 2 * half - 1)
    return found
