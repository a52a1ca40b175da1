"""Versions of a defect-free photo, and where the object is in them."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.valvano.synthesis.augment import (
    Augmentation,
    augment,
    draw_augmentation,
    object_area,
)
from components.valvano.synthesis.settings import PlanSettings


def surface(seed: int = 0, side: int = 64) -> np.ndarray:
    rng = np.random.default_rng([seed, 9])
    coarse = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), 3)
    grey = 130 + 25 * coarse / coarse.std() + rng.normal(0, 6, (side, side))
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def test_version_0_is_the_photo_itself():
    picture = surface()
    how = draw_augmentation(0, PlanSettings(), [3])
    assert how == Augmentation()
    assert np.array_equal(augment(picture, how), picture)


@given(st.integers(1, 9), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_versions_are_pure_and_differ(version, seed):
    picture = surface(seed % 5)
    how = draw_augmentation(version, PlanSettings(), [seed])
    made = augment(picture, how)
    assert made.shape == picture.shape and made.dtype == np.uint8
    assert np.array_equal(made, augment(picture, how))
    assert not np.array_equal(made, augment(picture, draw_augmentation(0, PlanSettings(), [0])))
    assert draw_augmentation(version, PlanSettings(), [seed]) == how


@given(st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_shifts_do_not_look_past_the_border(seed):
    settings_ = PlanSettings(photo_rotation=0, photo_zoom=2.0)
    how = draw_augmentation(1, settings_, [seed])
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None] * 4, 64, axis=0).repeat(3, 2)
    turned = Augmentation(zoom=how.zoom, shift_x=how.shift_x, shift_y=how.shift_y)
    steps = np.diff(augment(ramp, turned)[:, :, 0].astype(int), axis=1)
    # Mirrored pixels would run backwards.
    assert steps[:, 1:-1].min() >= 0


def test_flip_contrast_brightness_and_noise_do_what_they_say():
    picture = surface()
    assert np.array_equal(augment(picture, Augmentation(flip=True)), picture[:, ::-1])
    brighter = augment(picture, Augmentation(brightness=10))
    assert brighter.mean() - picture.mean() == pytest.approx(10, abs=0.5)
    flatter = augment(picture, Augmentation(contrast=0.5))
    assert flatter.std() == pytest.approx(picture.std() / 2, rel=0.05)
    noise = augment(picture, Augmentation(noise=4, noise_seed=1)).astype(float) - picture
    assert noise.std() == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("ground", [12, 245])
def test_a_plain_background_is_not_the_object(ground):
    picture = surface()
    rng = np.random.default_rng(1)
    disc = np.zeros((64, 64), np.uint8)
    cv2.circle(disc, (34, 30), 20, 1, -1)
    background = np.clip(ground + rng.normal(0, 2, (64, 64, 3)), 0, 255).astype(np.uint8)
    area = object_area(np.where(disc[:, :, None] > 0, picture, background))
    truth = disc > 0
    assert (area & truth).sum() / (area | truth).sum() > 0.85
    assert (area & ~truth).sum() < 0.05 * truth.sum()


@pytest.mark.parametrize("seed", range(5))
def test_a_surface_without_background_is_all_object(seed):
    assert object_area(surface(seed)).all()
    assert object_area(np.full((64, 64, 3), 90, np.uint8)).all()
