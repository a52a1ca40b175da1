"""Perturbed masks stay what they were: whole, about as large, and where they belong."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.instances import Mask, connected
from components.valvano.synthesis.perturb import Perturbation, perturb
from components.valvano.synthesis.place import place
from components.valvano.synthesis.settings import PlanSettings

SIDE = 96

perturbations = st.builds(
    Perturbation,
    rotation=st.floats(-180, 180),
    scaling=st.floats(1 / 1.2, 1.2),
    warp=st.sampled_from([0.0, 0.5, 1.44]),
    warp_seed=st.integers(0, 2**31 - 1),
)


def crack(seed: int, width: int) -> Mask:
    rng = np.random.default_rng([seed, 5])
    points = (np.cumsum(rng.normal(0, 7, (8, 2)), axis=0) + 48).clip(8, 88)
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(drawn, [points.round().astype(np.int32)], False, 1, width)
    return drawn > 0


def blob(seed: int) -> Mask:
    rng = np.random.default_rng([seed, 6])
    axes = rng.integers(3, 20, 2).tolist()
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(drawn, (48, 48), axes, int(rng.integers(180)), 0, 360, 1, -1)
    return drawn > 0


@given(st.integers(0, 10_000), st.integers(1, 3), perturbations)
@settings(max_examples=60, deadline=None)
def test_thin_cracks_stay_whole(seed, width, how):
    mask = crack(seed, width)
    moved = perturb([mask], how).union
    # A line grows with its length, not with its width, which cannot fall below a pixel; an
    # oblique one of a pixel's width has up to 1.41 times fewer pixels than an upright one.
    assert 0.65 <= moved.sum() / (mask.sum() * how.scaling) <= 2.0
    parts = connected(moved, 0)
    assert parts[0].mask.sum() >= 0.95 * moved.sum()
    assert len(parts) <= len(connected(mask, 0)) + 1


@given(st.integers(0, 10_000), perturbations)
@settings(max_examples=40, deadline=None)
def test_blobs_keep_their_area(seed, how):
    mask = blob(seed)
    moved = perturb([mask], how).union
    assert 0.75 <= moved.sum() / (mask.sum() * how.scaling**2) <= 1.3


@given(st.integers(0, 10_000), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_no_perturbation_changes_no_pixel(seed, width):
    mask = crack(seed, width)
    (back,) = perturb([mask], Perturbation()).placed(0, 0, SIDE)
    assert np.array_equal(back, mask)
    # The general way agrees with the short cut but for corners that touch from two sides.
    (turned,) = perturb([mask], Perturbation(rotation=360.0)).placed(0, 0, SIDE)
    around = np.pad(mask, 1)
    beside = around[1:-1, :-2] | around[1:-1, 2:]
    corners = beside & (around[:-2, 1:-1] | around[2:, 1:-1])
    assert not (turned & ~mask & ~corners).any() and not (mask & ~turned).any()


@given(st.lists(st.tuples(st.integers(0, 95), st.integers(0, 95)), min_size=1), perturbations)
@settings(max_examples=40, deadline=None)
def test_no_mask_is_ever_lost(pixels, how):
    masks = []
    for y, x in pixels[:3]:
        masks.append(np.zeros((SIDE, SIDE), bool))
        masks[-1][y, x] = True
    moved = perturb(masks, how)
    assert len(moved.masks) == len(masks)
    assert all(mask.any() for mask in moved.masks)


def test_a_quarter_turn_turns_counter_clockwise():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[40:43, 30:60] = True
    mask[40:50, 57:60] = True
    (moved,) = perturb([mask], Perturbation(rotation=90.0)).placed(0, 0, SIDE)
    expected = np.rot90(mask[40:50, 30:60])
    y, x = np.argwhere(moved).min(axis=0)
    assert np.array_equal(moved[y : y + 30, x : x + 10], expected)


def test_empty_masks_are_refused():
    with pytest.raises(ValueError, match="not empty"):
        perturb([np.zeros((8, 8), bool)], Perturbation())


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(15, 80))
@settings(max_examples=40, deadline=None)
def test_masks_lie_on_the_object_and_are_not_cut_off(seed, width, radius):
    disc = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(disc, (40, 52), radius, 1, -1)
    area, mask = disc > 0, crack(seed, width)
    found = place([mask], area, PlanSettings(), np.random.default_rng(seed))
    (placed,) = perturb([mask], found.how).placed(found.dx, found.dy, SIDE)
    if found.fitted:
        assert area[placed].all()
        assert placed.sum() == perturb([mask], found.how).union.sum()
    else:
        assert np.array_equal(placed, mask)


def test_a_mask_that_fits_nowhere_stays_where_it_was():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[30:60, 20:70] = True
    found = place([mask], ~mask, PlanSettings(scaling=1.0), np.random.default_rng(0))
    assert (found.fitted, found.dx, found.dy, found.how) == (False, 0, 0, Perturbation())


def test_a_mask_cut_by_the_frame_stays_at_its_edge():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[30:50, 86:] = True
    rows = set()
    for seed in range(20):
        found = place(
            [mask], np.ones((SIDE, SIDE), bool), PlanSettings(), np.random.default_rng(seed)
        )
        (placed,) = perturb([mask], found.how).placed(found.dx, found.dy, SIDE)
        assert found.fitted
        assert placed[:, -1].any()
        assert not placed[:, 0].any() and not placed[0].any() and not placed[-1].any()
        # No straight cut is turned into view: the mask meets the edge at its full width.
        assert placed[:, -1].sum() >= 0.7 * placed.sum(axis=0).max()
        rows.add(int(np.argwhere(placed)[0, 0]))
    assert len(rows) > 5


def test_only_a_mask_that_is_whole_is_turned_at_will():
    area, wide = np.ones((SIDE, SIDE), bool), PlanSettings(rotation=180.0)
    turns: dict[bool, list[float]] = {True: [], False: []}
    for whole, left in ((True, 60), (False, 76)):
        mask = np.zeros((SIDE, SIDE), bool)
        mask[30:50, left : left + 20] = True
        for seed in range(40):
            how = place([mask], area, wide, np.random.default_rng(seed)).how
            turns[whole].append(abs(how.rotation))
    assert max(turns[True]) > 150
    assert 10 < max(turns[False]) <= 20
