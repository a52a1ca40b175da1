"""Openings of masks: a hole of the sheet is closed, a ring around surface stays one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.instances import Mask
from components.valvano.synthesis.structure import whole

SIDE = 96
ROWS, COLUMNS = np.indices((SIDE, SIDE))


def disc(radius: float, x: int = 48, y: int = 48) -> Mask:
    return (ROWS - y) ** 2 + (COLUMNS - x) ** 2 <= radius**2


def photo(*levels: tuple[Mask, int]) -> np.ndarray:
    """A grainy surface of level 150 with areas of other levels, later ones on top."""
    grey = np.full((SIDE, SIDE), 150.0)
    for area, level in levels:
        grey[area] = level
    grain = np.random.default_rng(5).normal(0, 3, (SIDE, SIDE))
    return np.repeat((grey + grain).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


STAIN = disc(22)
HOLE = disc(6, x=52)


@pytest.mark.parametrize("level", [20, 60, 230])
def test_a_hole_of_the_sheet_is_closed(level: int) -> None:
    mask = STAIN & ~HOLE

    closed = whole(mask, mask, photo((STAIN, 70), (HOLE, level)))

    np.testing.assert_array_equal(closed, STAIN)


def test_surface_within_a_ring_stays_open() -> None:
    ring = disc(20) & ~disc(16)

    np.testing.assert_array_equal(whole(ring, ring, photo((ring, 60))), ring)


def test_of_two_openings_only_the_hole_is_closed() -> None:
    spot = disc(5, x=38)
    mask = STAIN & ~HOLE & ~spot

    closed = whole(mask, mask, photo((STAIN, 70), (HOLE, 20), (spot, 150)))

    np.testing.assert_array_equal(closed, STAIN & ~spot)


def test_an_opening_with_another_defect_stays_open() -> None:
    mask = STAIN & ~HOLE

    opened = whole(mask, STAIN, photo((STAIN, 70), (HOLE, 20)))

    np.testing.assert_array_equal(opened, mask)


def test_a_hole_that_the_frame_cuts_is_closed() -> None:
    stain, hole = disc(22, x=90), disc(7, x=94)
    mask = stain & ~hole

    closed = whole(mask, mask, photo((stain, 70), (hole, 20)))

    np.testing.assert_array_equal(closed, stain)


@given(st.integers(-10, SIDE + 10), st.integers(-10, SIDE + 10), st.integers(3, 40))
def test_no_surface_is_taken_for_a_hole(x: int, y: int, radius: int) -> None:
    """Corners that a mask cuts off the frame are openings too."""
    mask = disc(radius, x, y)

    np.testing.assert_array_equal(whole(mask, mask, photo((mask, 70))), mask)


def test_an_opening_to_the_outside_is_none() -> None:
    mask = STAIN & ~(HOLE | ((np.abs(ROWS - 48) < 4) & (COLUMNS > 52)))

    np.testing.assert_array_equal(whole(mask, mask, photo((STAIN, 70), (HOLE, 20))), mask)
