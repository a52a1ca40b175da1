"""Margins of masks: their shape, and that a frame's edge cuts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from components import dilation

frames = array_shapes(min_dims=2, max_dims=2, max_side=24)
masks = frames.flatmap(lambda shape: arrays(bool, shape, elements=st.booleans()))


@given(masks, st.integers(0, 5))
def test_a_square_reaches_as_far_in_all_eight_directions(mask, by):
    wide = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        wide[max(0, y - by) : y + by + 1, max(0, x - by) : x + by + 1] = True

    np.testing.assert_array_equal(dilation.square(mask, by), wide)


@given(masks, st.integers(0, 5))
def test_a_disc_lies_in_its_square_and_reaches_as_far_along_the_axes(mask, by):
    wide = dilation.disc(mask, by)

    assert not (wide & ~dilation.square(mask, by)).any()
    for y, x in np.argwhere(mask):
        assert wide[max(0, y - by) : y + by + 1, x].all()
        assert wide[y, max(0, x - by) : x + by + 1].all()


@pytest.mark.parametrize("by", [2, 3, 4])
def test_a_disc_has_no_corners(by):
    mask = np.zeros((11, 11), bool)
    mask[5, 5] = True

    assert not dilation.disc(mask, by)[5 - by, 5 - by]
    assert dilation.square(mask, by)[5 - by, 5 - by]
