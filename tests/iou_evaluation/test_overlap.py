"""IoU and Hausdorff distance: by hand, by their laws, and against scipy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import directed_hausdorff

from components.iou_evaluation.overlap import hausdorff, iou

masks = arrays(bool, (9, 13), elements=st.booleans())
pairs = st.tuples(masks, masks)


def test_iou_by_hand():
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    one[:2], other[1:3] = True, True

    assert iou(one, other) == pytest.approx(4 / 12)


def test_hausdorff_by_hand():
    one, other = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
    one[0, 0] = other[0, 0] = other[3, 4] = True

    # The far pixel is 5 from the only one of the other set; the diagonal is 50.
    assert hausdorff(one, other) == pytest.approx(0.1)


def test_nothing_detected_is_iou_0_and_distance_1():
    empty, there = np.zeros((5, 5), bool), np.eye(5, dtype=bool)

    assert iou(empty, there) == 0
    assert hausdorff(empty, there) == hausdorff(there, empty) == 1


@given(pairs)
@settings(deadline=None)
def test_symmetry_and_bounds(both):
    one, other = both

    assert iou(one, other) == iou(other, one)
    assert hausdorff(one, other) == hausdorff(other, one)
    assert 0 <= iou(one, other) <= 1
    assert 0 <= hausdorff(one, other) <= 1


@given(pairs)
@settings(deadline=None)
def test_identity(both):
    one, other = both

    assert iou(one, one) == 1
    assert hausdorff(one, one) == 0
    assert (hausdorff(one, other) == 0) == np.array_equal(one, other)
    assert (iou(one, other) == 1) == np.array_equal(one, other)


@given(pairs.filter(lambda both: both[0].any() and both[1].any()))
@settings(deadline=None)
def test_hausdorff_equals_scipy(both):
    one, other = (np.argwhere(mask) for mask in both)
    expected = max(directed_hausdorff(one, other)[0], directed_hausdorff(other, one)[0])

    # To the last bit: an approximate root once made two machines' scores differ.
    assert hausdorff(*both) == expected / math.hypot(9, 13)
