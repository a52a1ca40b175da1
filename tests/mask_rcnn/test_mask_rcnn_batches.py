"""A batch depends on seed and step alone, and masks move with their pixels."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.instances import Instance
from components.mask_rcnn.batches import Example, augment, draw


@dataclass(frozen=True)
class Drawn:
    """Images with one bright defect; its number is written into a corner that is no defect."""

    count: int

    def __len__(self) -> int:
        return self.count

    def example(self, index: int) -> Example:
        random = np.random.default_rng(index)
        mask = np.zeros((24, 24), bool)
        y, x = random.integers(2, 12, 2)
        mask[y : y + 7, x : x + 4] = True
        picture = np.full((24, 24, 3), 60 + index, np.uint8)
        picture[mask] = 160
        return picture, [Instance(mask, index % 3)]


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_batch_can_be_drawn_again(seed: int, step: int) -> None:
    one, truth = draw(Drawn(9), 4, seed, step)
    two, again = draw(Drawn(9), 4, seed, step)
    assert one.shape == (4, 3, 24, 24) and 0 <= one.min() and one.max() <= 1
    assert (one == two).all()
    for first, second in zip(truth, again, strict=True):
        assert (first[0].mask == second[0].mask).all() and first[0].label == second[0].label


def test_steps_and_seeds_have_batches_of_their_own() -> None:
    pictures = [draw(Drawn(50), 4, *key)[0] for key in [(0, 0), (0, 1), (1, 0), (1, 1)]]
    for number, one in enumerate(pictures):
        assert all((one != other).any() for other in pictures[:number])


def test_every_image_is_drawn_sooner_or_later() -> None:
    labels = {one[0].label for step in range(20) for one in draw(Drawn(3), 2, 0, step)[1]}
    assert labels == {0, 1, 2}


def test_a_pool_smaller_than_the_batch_fills_it() -> None:
    assert draw(Drawn(2), 5, 0, 0)[0].shape[0] == 5


@given(st.integers(0, 10_000))
def test_masks_stay_on_their_pixels(seed: int) -> None:
    picture, instances = Drawn(9).example(seed % 9)
    moved, masks = augment(picture, instances, np.random.default_rng(seed))
    inside = masks[0].mask
    assert inside.sum() == instances[0].mask.sum()
    assert moved[inside].min() > moved[~inside].max()


def test_all_four_mirrorings_occur() -> None:
    picture, instances = Drawn(9).example(4)
    corners = set()
    for seed in range(40):
        mask = augment(picture, instances, np.random.default_rng(seed))[1][0].mask
        corners.add((int(mask.any(1).argmax()), int(mask.any(0).argmax())))
    assert len(corners) == 4
