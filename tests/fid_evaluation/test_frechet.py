"""Frechet distance: by hand, by its laws, and against clean-fid's own function."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.fid_evaluation.frechet import frechet_distance


def gaussian(seed, images, width):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(images, width)) @ rng.normal(size=(width, width)) + rng.normal(
        size=width
    )


def clean_fids(one, other):
    from cleanfid.fid import frechet_distance as reference

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(
            reference(one.mean(0), np.cov(one, rowvar=False), other.mean(0),
                      np.cov(other, rowvar=False))
        )  # fmt: skip


def test_by_hand():
    one = np.array([[0.0], [2.0]])  # mean 1, variance 2
    other = np.array([[3.0], [9.0]])  # mean 6, variance 18

    # (1 - 6)² + (sqrt 2 - sqrt 18)²
    assert frechet_distance(one, other) == pytest.approx(25 + 8)


@pytest.mark.parametrize(("images", "width"), [(200, 8), (60, 40), (500, 64)])
def test_full_rank_equals_clean_fid(images, width):
    one, other = gaussian(1, images, width), gaussian(2, images + 7, width)

    assert frechet_distance(one, other) == pytest.approx(clean_fids(one, other), rel=1e-6)


def test_fewer_images_than_features_equals_clean_fid():
    one, other = gaussian(3, 30, 64), gaussian(4, 20, 64)

    # clean-fid takes the root of a singular matrix, which costs it digits.
    assert frechet_distance(one, other) == pytest.approx(clean_fids(one, other), rel=1e-4)


@given(st.integers(0, 1000), st.integers(2, 12), st.integers(2, 12), st.integers(1, 8))
@settings(deadline=None)
def test_laws(seed, images, others, width):
    one, other = gaussian(seed, images, width), gaussian(seed + 1, others, width)
    scale = 1 + (one**2).sum() + (other**2).sum()

    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9 * scale)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-6)
    assert frechet_distance(one, other) >= 0
    # A shift adds its squared length to the distance of a set to itself.
    assert frechet_distance(one, one + 3) == pytest.approx(9 * width, abs=1e-9 * scale)


@pytest.mark.parametrize("shapes", [((1, 3), (5, 3)), ((5, 3), (5, 4))])
def test_sets_that_cannot_be_compared_are_refused(shapes):
    with pytest.raises(ValueError, match="at least two images"):
        frechet_distance(*(np.zeros(shape) for shape in shapes))
