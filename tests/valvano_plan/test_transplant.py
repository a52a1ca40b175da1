"""Transplanted defects: the mask's own pixels, where the plan puts the mask."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.dataset import Dataset
from components.instances import Mask, class_map
from components.valvano.driver_extraction.driver import hidden
from components.valvano.driver_extraction.recipe import make_recipe, write_recipe
from components.valvano.driver_extraction.settings import DriverSettings
from components.valvano.synthesis.perturb import Perturbation, carry, perturb
from components.valvano.synthesis.plan import make_plan
from components.valvano.synthesis.realise import realise
from components.valvano.synthesis.row import read_plan
from components.valvano.synthesis.settings import PlanSettings
from components.valvano.synthesis.structure import filled
from components.valvano.synthesis.transplant import relief, transplant

SIDE = 64

perturbations = st.builds(
    Perturbation,
    rotation=st.sampled_from([0.0, 15.0, -170.0]),
    scaling=st.sampled_from([1.0, 0.85, 1.2]),
    warp=st.sampled_from([0.0, 1.0]),
    warp_seed=st.integers(0, 1000),
)


def blob(x: int, y: int, wide: int, high: int) -> Mask:
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(drawn, (x, y), (wide, high), 30, 0, 360, 1, -1)
    return drawn > 0


@given(
    st.integers(0, SIDE - 1), st.integers(0, SIDE - 1), st.integers(3, 12), st.integers(3, 12),
    perturbations, st.integers(-20, 20), st.integers(-20, 20),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_pixels_go_where_their_mask_goes(x, y, wide, high, how, dx, dy):
    mask = blob(x, y, wide, high)
    # Past the frame nothing is known, so only a mask that the frame does not cut is whole.
    placed = perturb([mask], how).placed(dx, dy, SIDE)
    moved = carry(mask[..., None].astype(np.float32), [mask], how, dx, dy).reshape(SIDE, SIDE)
    asked = placed[0] if placed else np.zeros_like(mask)
    near = cv2.dilate(asked.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert not (moved[~near] > 0.5).any()
    cut = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    if not cut:
        core = cv2.erode(asked.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
        assert (moved[core] > 0.5).all()


@given(st.integers(5, 58), st.integers(5, 58), st.integers(2, 25), st.floats(0, 255))
@settings(max_examples=40, deadline=None)
def test_a_hole_in_an_even_surface_is_filled_without_a_trace(x, y, radius, level):
    surface = np.full((SIDE, SIDE, 3), np.float32(level))
    torn = surface.copy()
    hole = blob(x, y, radius, radius)
    torn[hole] = 255 - level
    assert np.allclose(filled(torn, hole), surface, atol=0.05)


def test_a_hole_that_is_everything_stays():
    picture = np.full((8, 8, 3), np.float32(7))
    assert np.array_equal(filled(picture, np.ones((8, 8), bool)), picture)


@pytest.fixture(scope="module")
def planned(dataset: Path, tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("transplant")
    data = Dataset(dataset)
    recipe = make_recipe(DriverSettings(), data.classes, data.resolution)
    for name in ("drivers", "plan"):
        (root / name).mkdir()
    write_recipe(root / "drivers", recipe)
    make_plan(
        root / "plan", PlanSettings(images=24, samples=1), dataset, root / "drivers", 1.0, "sks", 3
    )
    return data, recipe, read_plan(root / "plan")


def test_a_transplant_is_the_photo_but_for_the_mask_and_its_rim(planned):
    data, recipe, rows = planned
    side, changed = data.resolution, 0
    for row in rows:
        made = realise(row, data, recipe)
        laid = transplant(row, made, data, recipe)
        assert laid.shape == made.picture.shape and laid.dtype == np.uint8
        labels = class_map(made.instances, side, side)
        outside = hidden(labels, recipe) == 0
        assert np.array_equal(laid[outside], made.picture[outside])
        changed += int((laid[labels > 0] != made.picture[labels > 0]).any())
    # Some masks are of defects that hardly differ from what is around them.
    assert changed >= 0.8 * len(rows)


def test_a_transplant_has_the_contrast_of_its_defect(planned):
    data, recipe, rows = planned
    told = []
    for row in rows:
        made = realise(row, data, recipe)
        laid = transplant(row, made, data, recipe).astype(float)
        asked = class_map(made.instances, data.resolution, data.resolution) > 0
        frame = next(one for one in data.all_frames if one.id == row.mask)
        instances = data.instances(frame)
        own = np.any([instances[number].mask for number in row.numbers], axis=0)
        picture = data.image(frame).astype(float)
        far = cv2.dilate(data.class_map(frame), np.ones((9, 9), np.uint8)) == 0
        there = np.log((picture[own].mean() + 8) / (picture[far].mean() + 8))
        here = np.log((laid[asked].mean() + 8) / (made.picture[asked].mean() + 8))
        told.append((there, here))
    apart = np.abs(np.subtract(*np.array(told).T))
    # Ratios beyond 3 are cut, so the darkest defects come out a little lighter.
    assert apart.mean() < 0.3 and apart.max() < 0.5


@pytest.mark.parametrize("turned", [10.0, 27.0, 45.0])
def test_a_line_of_two_pixels_keeps_its_contrast_when_it_is_turned(turned):
    line = np.zeros((SIDE, SIDE), bool)
    line[31:33, 12:52] = True
    how = Perturbation(rotation=turned)

    moved = carry(line[..., None].astype(np.float32), [line], how, 0, 0).reshape(SIDE, SIDE)

    (placed,) = perturb([line], how).placed(0, 0, SIDE)
    assert moved[placed].mean() > 0.9


def test_holes_beside_and_in_a_defect_do_not_come_along():
    rows, columns = np.indices((96, 96))
    image = np.full((96, 96, 3), 160, np.uint8)
    holes = np.zeros((96, 96), bool)
    for x, y in ((30, 48), (48, 48), (75, 48), (48, 74)):
        holes |= (columns - x) ** 2 + (rows - y) ** 2 < 6**2
    defect = (abs(columns - 48) < 25) & (abs(rows - 48) < 22) & ~holes
    image[defect], image[holes] = 120, 20
    image = cv2.GaussianBlur(image, (0, 0), 1.0)

    found = relief(image, defect, defect, rim=4, edge=2)

    expected = np.log((120 + 8) / (160 + 8))
    assert np.allclose(np.median(found[defect]), expected, atol=0.03)
    # At its outer edge the defect's own shade is soft; at holes nothing is darker or brighter.
    inner = defect & (abs(columns - 48) < 21) & (abs(rows - 48) < 18)
    assert np.abs(found[inner] - expected).max() < 0.12
    assert (
        found.max() < 0.1
        and not found[cv2.dilate(defect.astype(np.uint8), np.ones((7, 7))) == 0].any()
    )
