"""Images of one photo shown as one: nothing of them is lost, and no line shows where they meet."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.dataset import Image, write_image
from components.instances import Instance, Mask
from components.mask_rcnn.batches import SyntheticPool
from components.mask_rcnn.joined import UNSEEN, Other, join
from components.synthetic import SyntheticSet, write_annotations

SIDE = 48


def photo(seed: int) -> Image:
    return np.random.default_rng(seed).integers(60, 200, (SIDE, SIDE, 3), np.uint8)


def square(y: int, x: int, side: int) -> Mask:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def drawn(ground: Image, mask: Mask, shade: int, rim: int = 0) -> Image:
    """A defect of one shade, and a rim of another around it."""
    picture = ground.copy()
    for reach, level in ((rim, shade + 10), (0, shade)):
        grown = np.zeros_like(mask)
        for y, x in np.argwhere(mask):
            grown[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = True
        picture[grown] = level
    return picture


places = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 8))


@given(st.lists(places, min_size=2, max_size=6), st.integers(0, 99))
def test_defects_keep_every_pixel(squares, seed):
    ground = photo(seed)
    masks = [square(*one) for one in squares]
    images = [drawn(ground, mask, 210 + number) for number, mask in enumerate(masks)]
    others = [
        Other([Instance(mask, number)], lambda image=image: image)
        for number, (mask, image) in enumerate(zip(masks, images, strict=True))
    ]
    picture, found = join(images[0], others[0].instances, others[1:])
    assert found[0] is others[0].instances[0]
    assert len({one.label for one in found}) == len(found)
    covered = np.zeros((SIDE, SIDE), int)
    for one in found:
        assert (picture[one.mask] == 210 + one.label).all()
        covered += one.mask
    assert covered.max() == 1, "defects overlap"
    assert np.array_equal(picture[covered == 0], ground[covered == 0])


def test_images_whose_surroundings_meet_stay_apart():
    ground = photo(0)
    left, right = square(20, 4, 6), square(20, 26, 6)
    one = drawn(ground, left, 20, rim=4)
    for rim, fits in ((4, True), (16, False)):
        other = Other([Instance(right, 1)], lambda rim=rim: drawn(ground, right, 240, rim))
        picture, found = join(one, [Instance(left, 0)], [other])
        assert (len(found) == 2) is fits
        if not fits:
            assert picture is one


def test_what_cannot_be_seen_is_no_hindrance():
    """An autoencoder leaves faint traces far away."""
    ground = photo(0)
    left, right = square(20, 4, 6), square(20, 36, 6)
    for trace, fits in ((UNSEEN, True), (UNSEEN + 1, False)):
        faint = drawn(ground - trace, right, 240)
        others = [Other([Instance(right, 1)], lambda faint=faint: faint)]
        assert (len(join(ground, [Instance(left, 0)], others)[1]) == 2) is fits


def test_an_image_whose_defect_overlaps_is_not_read():
    def read() -> Image:
        raise AssertionError("its defect overlaps")

    mask = square(10, 10, 5)
    picture = photo(0)
    assert join(picture, [Instance(mask, 0)], [Other([Instance(mask, 1)], read)])[0] is picture


def test_a_pool_joins_the_images_of_a_ground(tmp_path: Path):
    (tmp_path / "images").mkdir()
    masks = [square(2, 2, 4), square(2, 40, 4), square(40, 2, 4), square(40, 40, 4)]
    grounds = ["a", "a", "b", "a"]
    rows, shown = [], []
    for number, (mask, ground) in enumerate(zip(masks, grounds, strict=True)):
        image = drawn(photo(ord(ground)), mask, 210 + number)
        write_image(tmp_path / "images" / f"{number:06d}.png", image)
        rows.append({
            "id": f"{number:06d}", "source": ground, "ground": ground, "mask": "m",
            "driver": str(number), "defect": "pit", "prompt": "", "seed": number,
        })  # fmt: skip
        shown.append([Instance(mask, 0)])
    write_annotations(tmp_path, rows, shown, SIDE, ["pit"])
    pool = SyntheticPool(SyntheticSet(tmp_path))
    assert len(pool) == 4
    wanted = [(0, 1, 3), (1, 3, 0), (2,), (3, 0, 1)]
    for index, numbers in enumerate(wanted):
        picture, found = pool.example(index)
        assert [one.mask.tolist() for one in found] == [masks[one].tolist() for one in numbers]
        assert all((picture[masks[one]] == 210 + one).all() for one in numbers)
