"""The topological driver: its round trip, its levels, and that it tells nothing of a defect."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.valvano.driver_extraction.driver import (
    driver,
    geometry,
    hidden,
    paint,
    read_mask,
)
from components.valvano.driver_extraction.recipe import (
    Recipe,
    make_recipe,
    read_recipe,
    write_recipe,
)
from components.valvano.driver_extraction.settings import DriverSettings

SIDE = 32

sides = st.sampled_from([8, 24, 32, 40])
recipes = st.builds(
    lambda classes, resolution, **numbers: make_recipe(
        DriverSettings(**numbers), tuple(f"class {n}" for n in range(classes)), resolution
    ),
    classes=st.integers(1, 40),
    resolution=sides,
    scale=st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.77, 1.0]),
    window=st.floats(0.05, 1),
    constant=st.floats(-10, 20),
    ceiling=st.integers(1, 127),
    margin=st.floats(0, 0.2),
)


def pictures(side: int) -> st.SearchStrategy:
    return hnp.arrays(np.uint8, (side, side, 3), elements=st.integers(0, 255))


def class_maps(side: int, classes: int) -> st.SearchStrategy:
    return hnp.arrays(np.uint8, (side, side), elements=st.integers(0, classes), fill=st.just(0))


def small_recipe(**numbers) -> Recipe:
    return make_recipe(DriverSettings(**numbers), ("crack", "pit"), 64)


def surface(seed: int, side: int = 64) -> np.ndarray:
    """A bright surface with dark lines and some grain."""
    rng = np.random.default_rng([seed, 1])
    grey = np.full((side, side), 150, np.uint8)
    for _ in range(6):
        start, end = rng.integers(0, side, (2, 2)).tolist()
        cv2.line(grey, start, end, 90, int(rng.integers(2, 5)))
    grey = cv2.GaussianBlur(grey, (0, 0), 0.8) + rng.normal(0, 4, (side, side))
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_mask_is_read_back_pixel_for_pixel(data):
    recipe = data.draw(recipes)
    picture = data.draw(pictures(recipe.resolution))
    class_map = data.draw(class_maps(recipe.resolution, len(recipe.colours)))
    made = driver(picture, class_map, recipe)
    assert np.array_equal(read_mask(made, recipe), class_map)
    outside = made[class_map == 0]
    assert (outside == outside[:, :1]).all()
    assert outside.size == 0 or outside.max() <= recipe.ceiling


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_driver_depends_on_no_pixel_of_the_defect_or_its_rim(data):
    recipe = data.draw(recipes)
    side = recipe.resolution
    class_map = data.draw(class_maps(side, len(recipe.colours)))
    clean, other = data.draw(pictures(side)), data.draw(pictures(side))
    defective = np.where(hidden(class_map, recipe)[:, :, None] > 0, other, clean)
    assert np.array_equal(driver(clean, class_map, recipe), driver(defective, class_map, recipe))


@given(st.integers(0, 5000), st.sampled_from([10, 60, 130, 245]))
@settings(max_examples=40, deadline=None)
def test_only_the_rim_of_a_defect_is_emptied(seed, grey):
    recipe = small_recipe()
    picture = surface(seed)
    class_map = np.zeros((64, 64), np.uint8)
    y, x = np.random.default_rng(seed).integers(5, 50, 2)
    class_map[y : y + 6, x : x + 9] = 2
    picture[class_map > 0] = grey
    made = driver(picture, class_map, recipe)
    covered = hidden(class_map, recipe) > 0
    assert not made[covered & (class_map == 0)].any()
    rows, columns = np.nonzero(covered)
    assert (y - rows.min(), x - columns.min()) == (recipe.rim, recipe.rim)


@pytest.mark.parametrize("level", [15, 245])
def test_a_probe_cannot_tell_defective_from_clean(level):
    """Density around the mask separates the paper's plain threshold, not these drivers."""
    recipe = small_recipe(scale=0.5)
    around = np.zeros((64, 64), np.uint8)
    class_map = np.zeros((64, 64), np.uint8)
    cv2.circle(class_map, (32, 32), 7, 1, -1)
    cv2.circle(around, (32, 32), 14, 1, -1)
    ring = (around > 0) & (hidden(class_map, recipe) == 0)
    plain: dict[bool, list[float]] = {True: [], False: []}
    made: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(120):
        # Unpaired: the defective photos show other surfaces than the clean ones.
        defective = seed % 2 == 0
        picture = surface(seed)
        if defective:
            picture[class_map > 0] = level
        plain[defective].append(float(geometry(picture, recipe)[ring].mean()))
        made[defective].append(float(driver(picture, class_map, recipe)[ring].mean()))

    def separation(values: dict[bool, list[float]]) -> float:
        below = np.array(values[True])[:, None] < np.array(values[False])[None]
        ties = np.array(values[True])[:, None] == np.array(values[False])[None]
        return float(abs(below.mean() + ties.mean() / 2 - 0.5) + 0.5)

    assert separation(plain) > 0.8
    assert separation(made) < 0.6


def test_a_thin_dark_line_survives():
    picture = np.full((64, 64, 3), 160, np.uint8)
    picture[:, 30:32] = 60
    levels = geometry(picture, small_recipe(scale=0.5))
    assert (levels.max(axis=1) >= 0.7 * 50).all()
    assert levels[:, :27].max() == levels[:, 35:].max() == 0
    bright = 255 - picture
    assert geometry(bright, small_recipe(scale=0.5))[:, 30:32].max() < 25


def test_geometry_ignores_light_and_colour():
    picture = surface(3)
    darker = (picture * [0.9, 1.0, 0.8] + 20).clip(0, 255).astype(np.uint8)
    first, second = (geometry(one, small_recipe()) > 25 for one in (picture, darker))
    assert first.any()
    assert (first & second).sum() / (first | second).sum() > 0.8


def test_geometry_without_a_mask_is_opencvs_threshold():
    recipe = small_recipe(scale=0.5, window=0.3, constant=4)
    picture = surface(9)
    grey = cv2.cvtColor(
        cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
    )
    binary = cv2.adaptiveThreshold(
        grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 9, 4
    )
    back = cv2.resize(binary, (64, 64), interpolation=cv2.INTER_LINEAR)
    dimmed = back / 255 * recipe.ceiling
    assert np.abs(geometry(picture, recipe) - dimmed).max() <= 1


def test_painting_names_what_is_wrong():
    recipe = small_recipe()
    empty = np.zeros((64, 64), np.uint8)
    with pytest.raises(ValueError, match="label 4"):
        paint(empty, np.full((64, 64), 5, np.uint8), recipe)
    with pytest.raises(ValueError, match=r"\(32, 64\)"):
        paint(empty[:32], empty, recipe)


def test_recipes_survive_their_file_and_refuse_unreadable_colours(tmp_path):
    recipe = small_recipe(scale=0.33, margin=0.07)
    write_recipe(tmp_path, recipe)
    assert read_recipe(tmp_path) == recipe
    assert read_recipe(tmp_path).classes == ("crack", "pit")
    with pytest.raises(ValueError, match="grey"):
        replace(recipe, colours={"crack": (50, 50, 50)})
    with pytest.raises(ValueError, match="share"):
        replace(recipe, colours={"crack": (255, 0, 0), "pit": (255, 0, 0)})
