import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.device import choose
from components.valvano.orientation import PLAIN, lay, orientations
from components.valvano.parts import load

SIDE = 32


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def test_a_picture_lies_in_eight_ways_and_as_it_is_in_the_first():
    one = picture(0)
    laid = [lay(one, way) for way in range(8)]
    assert np.array_equal(laid[PLAIN], one)
    assert len({each.tobytes() for each in laid}) == 8
    assert np.array_equal(laid[1], np.fliplr(one))
    assert np.array_equal(laid[2], np.rot90(one))


def test_masks_are_laid_as_their_pictures_are():
    one = picture(1)
    mask = one[..., 0] > 100
    for way in range(8):
        assert np.array_equal(lay(mask, way), lay(one, way)[..., 0] > 100)


@given(
    count=st.integers(1, 20),
    draws=st.integers(1, 200),
    flips=st.booleans(),
    turns=st.booleans(),
    seed=st.integers(0, 5),
)
def test_views_are_allowed_distinct_and_no_more_than_are_drawn(count, draws, flips, turns, seed):
    chosen = orientations(count, draws, flips=flips, turns=turns, seed=seed)
    views = chosen.shape[1]
    assert chosen.shape == (count, views)
    assert views == min((1 + flips) * (4 if turns else 1), -(-draws // count))
    assert all(len(set(row)) == views for row in chosen.tolist())
    assert flips or not (chosen % 2).any()
    assert turns or (chosen < 2).all()
    assert np.array_equal(chosen, orientations(count, draws, flips=flips, turns=turns, seed=seed))


@pytest.mark.parametrize("draws", [6, 100])
def test_what_is_drawn_is_the_picture_in_the_orientation_that_is_told(base, draws):
    parts = load(base("tiny"), choose(False))
    pictures = [picture(number) for number in range(3)]
    views = parts.views(pictures, draws, flips=True, turns=True, seed=0)
    which = [0, 1, 2] * 8
    latents, ways = views.draw(which, np.random.default_rng(0))

    assert len(set(ways.tolist())) > 3
    laid = [lay(pictures[one], way) for one, way in zip(which, ways.tolist(), strict=True)]
    torch.testing.assert_close(latents, parts.encode(laid).mean, rtol=1e-4, atol=1e-5)


def test_a_random_encoding_is_drawn_anew_around_its_mean(base):
    parts = load(base("stable"), choose(False))
    views = parts.views([picture(0)], 1, flips=False, seed=0)
    rng = np.random.default_rng(0)
    drawn = torch.cat([views.draw([0], rng)[0] for _ in range(200)])

    assert views.latents.deviation is not None
    away = (drawn.mean(0) - views.latents.mean[0]).abs() / views.latents.deviation[0]
    assert away.max() < 5 / 200**0.5
    assert drawn.std(0).min() > 0
