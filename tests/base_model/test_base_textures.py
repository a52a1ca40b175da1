import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.textures.draw import draw
from components.textures.marks import MARKS
from components.textures.pool import fill
from components.textures.surfaces import SURFACES


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 2**31), st.integers(16, 80))
def test_a_texture_is_a_pure_function_of_its_number(seed, index, side):
    one, other = draw(seed, index, side), draw(seed, index, side)
    assert one.image.shape == (side, side, 3)
    assert one.image.dtype == np.uint8
    assert np.array_equal(one.image, other.image)
    assert one.caption == other.caption


def test_series_and_numbers_differ():
    assert not np.array_equal(draw(0, 0).image, draw(0, 1).image)
    assert not np.array_equal(draw(0, 0).image, draw(1, 0).image)


def test_too_small_a_side_is_refused():
    with pytest.raises(ValueError, match="side is 8"):
        draw(0, 0, 8)


def test_captions_are_diverse_and_use_every_word():
    captions = [draw(3, index, 16).caption for index in range(1000)]
    text = f" {' '.join(captions)} "
    assert len(set(captions)) > 450
    for _, _, words in [*SURFACES.values(), *MARKS.values()]:
        for word in words:
            assert f" {word} " in text, word
    assert " a a " not in text and " a i" not in text and " a o" not in text


def test_pictures_are_neither_flat_nor_blown_out():
    pictures = np.stack([draw(5, index, 32).image for index in range(250)]).astype(float)
    assert np.mean(pictures.std((1, 2, 3)) > 2) > 0.97
    assert np.mean(pictures.mean((1, 2, 3)) > 235) < 0.02
    grey = np.abs(pictures[..., 0] - pictures[..., 2]).max((1, 2)) < 1
    assert 0.3 < grey.mean() < 0.8
    levels = pictures.mean((1, 2, 3))
    assert np.percentile(levels, 10) < 60 and np.percentile(levels, 90) > 120


@pytest.mark.parametrize("name", MARKS)
def test_every_mark_changes_the_picture_somewhere(name):
    changed = []
    for seed in range(12):
        picture = np.full((64, 64, 3), 0.5, np.float32)
        MARKS[name][0](np.random.default_rng(seed), picture)
        assert np.isfinite(picture).all()
        changed.append((np.abs(picture - 0.5).max(2) > 0.03).mean())
    assert np.mean(np.array(changed) > 0) > 0.7
    assert np.mean(changed) < 0.6


def test_cracks_are_thin_and_dark():
    widths = []
    for seed in range(40):
        picture = np.full((96, 96, 3), 0.5, np.float32)
        MARKS["crack"][0](np.random.default_rng(seed), picture)
        dark = picture[..., 0] < 0.4
        inner = dark[1:-1, 1:-1] & dark[:-2, 1:-1] & dark[2:, 1:-1]
        inner &= dark[1:-1, :-2] & dark[1:-1, 2:]
        widths.append(inner.sum() / max(dark.sum(), 1))
    assert np.mean(np.array(widths) < 0.05) > 0.3
    assert np.mean(np.array(widths) < 0.5) > 0.7


@pytest.mark.parametrize("name", SURFACES)
def test_every_surface_is_standardised(name):
    field = SURFACES[name][0](np.random.default_rng(1), 64)
    assert field.shape == (64, 64)
    assert field.dtype == np.float32
    assert abs(field.mean()) < 1e-3
    assert abs(field.std() - 1) < 1e-2


def test_a_pool_does_not_depend_on_its_workers():
    one, other = fill(2, 12, 16, workers=1), fill(2, 9, 16, workers=2, first=3)
    assert np.array_equal(one.images[3:], other.images)
    assert one.captions[3:] == other.captions


def test_marks_are_where_the_picture_was_changed():
    drawn = [draw(4, index, 64) for index in range(60)]
    marked = [one for one in drawn if one.marks]
    assert 20 < len(marked) < 50
    for one in marked:
        for mark in one.marks:
            assert mark.mask.shape == (64, 64)
            assert mark.name in MARKS
            assert 0 < mark.mask.mean() < 0.7


def test_a_pool_is_read_as_it_was_written(tmp_path):
    pool = fill(5, 12, 32, workers=1)
    pool.save(tmp_path / "pool.npz")
    again = type(pool).load(tmp_path / "pool.npz")
    assert (again.images == pool.images).all()
    assert again.captions == pool.captions
    assert (again.marked == pool.marked).all()
    assert [[one.name for one in marks] for marks in again.marks] == [
        [one.name for one in marks] for marks in pool.marks
    ]
    assert pool.marked.any()
