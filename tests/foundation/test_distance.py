"""Distances to a mask: exact, whatever the frame's size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from components.distance import away

frames = array_shapes(min_dims=2, max_dims=2, max_side=40)


@given(frames.flatmap(lambda shape: arrays(bool, shape, elements=st.booleans())))
def test_distances_are_the_roots_of_the_smallest_squares(mask):
    if not mask.any():
        mask[-1, 0] = True
    rows, columns = np.indices(mask.shape)
    squares = [(rows - y) ** 2 + (columns - x) ** 2 for y, x in np.argwhere(mask)]

    np.testing.assert_array_equal(away(mask), np.sqrt(np.min(squares, axis=0)))


def test_there_is_no_distance_to_an_empty_mask():
    with pytest.raises(ValueError, match="empty mask"):
        away(np.zeros((4, 5), bool))
