"""Frames show all of every defect, at the right place, and lose no thin crack."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data_versioning.framing import (
    MARGIN,
    PIECES,
    SHRUNK,
    STONE,
    THIN,
    Extent,
    cut,
    cut_instances,
    framing_of,
    squares,
)
from components.instances import Instance, box, connected


def windows(size: tuple[int, int], instances: list[Instance], seed: int = 0, **fields: int):  # type: ignore[no-untyped-def]
    extents = [Extent.of(one) for one in instances]
    values = {"resolution": 32, "clean_windows": 1} | fields
    return squares("window", size, extents, seed=seed, name="a", **values)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_all_of_every_defect_is_shown_in_windows_that_stay_in_the_photo(
    data: st.DataObject,
) -> None:
    height, width = data.draw(st.integers(20, 150)), data.draw(st.integers(20, 150))
    mask = np.zeros((height, width), bool)
    for _ in range(data.draw(st.integers(1, 4))):
        y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        mask[y : y + data.draw(st.integers(1, 60)), x : x + data.draw(st.integers(1, 60))] = True
    instances = connected(mask, 0)
    found = windows((height, width), instances, data.draw(st.integers(0, 99)))
    for one in instances:
        seen = np.zeros_like(one.mask)
        whole = False
        for x, y, side in found:
            part = np.zeros_like(one.mask)
            part[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)] = True
            seen |= part
            whole |= not (one.mask & ~part).any()
        assert not (one.mask & ~seen).any()
        extent = Extent.of(one)
        assert whole or MARGIN * max(extent.bounds[2:]) > 32 * max(SHRUNK, extent.thickness / THIN)
    for x, y, side in found:
        assert side >= 32
        assert side > width or 0 <= x <= width - side
        assert side > height or 0 <= y <= height - side


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_a_long_thin_defect_is_shown_in_pieces_that_stay_as_thick(seed: int, width: int) -> None:
    """A crack through a photo of 150 px, in frames of 32: whole, it would be shrunk 6 times."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 150, (3, 2)).astype(np.int32)
    points[0, 0], points[-1, 0] = 0, 149
    mask = np.zeros((150, 150), np.uint8)
    cv2.polylines(mask, [points], False, 1, width, cv2.LINE_8)
    found = windows((150, 150), [Instance(mask.astype(bool), 0)], seed)
    assert len(found) > 2
    # What cv2 draws aslant is up to one and a half times as wide.
    assert max(side for *_, side in found) <= 32 * max(SHRUNK, 1.5 * width / THIN) + 1
    seen = np.zeros_like(mask)
    for x, y, side in found:
        seen[y : y + side, x : x + side] = 1
    assert not (mask & ~seen).any()


def test_a_network_of_cracks_takes_a_bounded_number_of_windows() -> None:
    mask = np.zeros((1000, 1000), bool)
    mask[::90] = mask[:, ::90] = True
    pit = np.zeros((1000, 1000), bool)
    pit[400:406, 30:36] = True
    found = windows((1000, 1000), [Instance(mask, 0), Instance(pit, 1)])
    assert len(found) == PIECES + 1
    assert any(x <= 30 and y <= 400 and 36 <= x + s and 406 <= y + s for x, y, s in found)


def test_a_large_defect_is_shown_whole_however_much_it_shrinks() -> None:
    mask = np.zeros((400, 400), bool)
    mask[50:350, 60:340] = True
    ((x, y, side),) = windows((400, 400), [Instance(mask, 0)])
    assert side == 375 and x <= 60 and y <= 50 and x + side >= 340 and y + side >= 350


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 70), st.integers(1, 70))
def test_stones_are_the_tight_boxes_of_cells(seed: int, height: int, width: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.02
    mask[0, 0] = mask[-1, -1] = True  # so that its own box begins at the corner
    cells = [
        (x, y, mask[y : y + STONE, x : x + STONE])
        for y in range(0, height, STONE)
        for x in range(0, width, STONE)
    ]
    expected = [(x + a, y + b, c, d) for x, y, one in cells for a, b, c, d in [box(one)] if c]
    assert list(Extent.of(Instance(mask, 0)).stones) == expected


def test_thickness_is_a_lines_width() -> None:
    for width in (1, 2, 3, 5, 9):
        mask = np.zeros((60, 200), bool)
        mask[20 : 20 + width, 10:190] = True
        assert abs(Extent.of(Instance(mask, 0)).thickness - width) <= 1


def test_a_window_is_not_larger_than_the_photo_for_its_margins_sake() -> None:
    mask = np.zeros((100, 200), bool)
    mask[5:95, 50:140] = True
    ((_, y, side),) = windows((100, 200), [Instance(mask, 0)])
    assert (y, side) == (0, 100)


def test_windows_depend_on_seed_and_name_alone() -> None:
    mask = np.zeros((200, 200), bool)
    mask[90:100, 90:100] = True
    instances = connected(mask, 0)
    assert windows((200, 200), instances, 1) == windows((200, 200), instances, 1)
    assert windows((200, 200), instances, 1) != windows((200, 200), instances, 2)
    assert len(windows((200, 200), [], clean_windows=3)) == 3


def test_outside_the_photo_is_reflected() -> None:
    picture = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    expected = cv2.copyMakeBorder(picture, 6, 6, 1, 1, cv2.BORDER_REFLECT_101)
    np.testing.assert_array_equal(cut(picture, (-1, -6, 32), 32), expected)
    assert cut(picture[:1, :1], (-15, -15, 32), 32).shape == (32, 32, 3)


def test_reflected_defects_are_marked() -> None:
    """A picture that shows a defect twice and marks it once teaches that defects are none."""
    mask = np.zeros((20, 30), bool)
    mask[0:6, 3:9] = True  # touches the upper edge
    mask[13:17, 20:28] = True  # does not touch the lower one
    picture = np.where(mask, 255, 0).astype(np.uint8)[..., None].repeat(3, axis=2)
    instances = connected(mask, 0)
    found = cut_instances(instances, (-1, -6, 32), 32)
    marked = np.logical_or.reduce([one.mask for one in found])
    np.testing.assert_array_equal(marked, cut(picture, (-1, -6, 32), 32)[..., 0] > 0)
    assert len(found) == 3
    # Inside the photo nothing is reflected.
    (one,) = cut_instances(instances[:1], (0, 0, 20), 20)
    assert one.mask.sum() == instances[0].mask[:20, :20].sum()


def test_a_whole_photo_is_scaled_by_its_longer_side() -> None:
    (square,) = squares("photo", (100, 200), [], resolution=50, clean_windows=4, seed=0, name="a")
    assert square == (0, -50, 200)
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[40:60] = 200
    frame = cut(picture, square, 50)
    assert (frame[23:27, :, 0] == 200).all() and (frame[17:20] == 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(33, 400))
def test_a_crack_of_one_pixel_stays_in_one_piece_at_any_scale(seed: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(2, side - 2, (4, 2)).astype(np.int32)
    mask = np.zeros((side, side), np.uint8)
    cv2.polylines(mask, [points], False, 1, 1, cv2.LINE_8)
    (one,) = cut_instances([Instance(mask.astype(bool), 0)], (0, 0, side), 32)
    # The scaled crack lies within a pixel of the crack, and the crack within a pixel of it.
    near = cv2.dilate(one.mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    ys, xs = np.nonzero(mask)
    covered = near[ys * 32 // side, xs * 32 // side]
    assert covered.all()
    exact = np.zeros((32, 32), np.uint8)
    exact[ys * 32 // side, xs * 32 // side] = 1
    around = cv2.dilate(exact, np.ones((3, 3), np.uint8))
    assert not (one.mask & (around == 0)).any()


def test_large_defects_keep_their_size() -> None:
    mask = np.zeros((320, 320), bool)
    mask[80:240, 80:240] = True
    (one,) = cut_instances([Instance(mask, 2)], (0, 0, 320), 32)
    assert one.label == 2 and one.mask.sum() == 256


def test_slivers_at_the_edge_are_dropped_and_larger_parts_are_not() -> None:
    mask = np.zeros((100, 100), bool)
    mask[10:20, 30:60] = True  # 300 pixels; the window ends at column 32
    assert cut_instances([Instance(mask[:, :], 0)], (-1, 0, 32), 32) == []
    (one,) = cut_instances([Instance(mask, 0)], (0, 0, 32), 32)
    assert one.mask.sum() == 20


def test_a_defect_of_less_than_a_pixel_stays() -> None:
    mask = np.zeros((1000, 1000), bool)
    mask[500:502, 500:502] = True
    (one,) = cut_instances([Instance(mask, 0)], (0, 0, 1000), 32)
    assert one.mask.sum() == 1 and one.mask[16, 16]


def test_auto_takes_windows_of_large_photos() -> None:
    sizes = [(100, 400), (150, 150), (90, 90)]
    assert framing_of("auto", sizes, 64) == "window"
    assert framing_of("auto", sizes, 72) == "photo"
    assert framing_of("photo", sizes, 8) == "photo"
