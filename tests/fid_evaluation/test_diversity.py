"""Diversity and texture: by hand and by their laws."""

import numpy as np
import pytest
from fid_scenes import surface
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.fid_evaluation.diversity import l2, measure_diversity, mutual_information
from components.fid_evaluation.frechet import frechet_distance
from components.fid_evaluation.texture import WIDTH, standardise, texture_features
from components.synthetic import Provenance

pictures = arrays(np.uint8, (6, 7, 3), elements=st.integers(0, 255))


def flat(grey, side=16):
    return np.full((side, side, 3), grey, np.uint8)


def rows(drivers, samples):
    return [
        Provenance(f"{d}-{s}", "", "", "", f"d{d}", "crack", "", s)
        for d in range(drivers)
        for s in range(samples)
    ]


def test_l2_by_hand():
    assert l2(flat(10), flat(74)) == pytest.approx(64)
    half = flat(10)
    half[:8] += 20
    assert l2(flat(10), half) == pytest.approx(20 / 2**0.5)


def test_mutual_information_by_hand():
    halves, quarters = flat(0), flat(0)
    halves[:8] = 200
    quarters[:, :8] = 200

    assert mutual_information(halves, 255 - halves) == pytest.approx(np.log(2))
    assert mutual_information(halves, quarters) == pytest.approx(0, abs=1e-12)
    assert mutual_information(flat(3), halves) == pytest.approx(0, abs=1e-12)


@given(pictures, pictures)
@settings(deadline=None)
def test_laws(one, other):
    assert l2(one, other) == l2(other, one) >= 0
    assert l2(one, one) == 0
    shared = mutual_information(one, other)
    assert shared == pytest.approx(mutual_information(other, one), abs=1e-9)
    # Nothing tells more of a picture than itself.
    assert -1e-9 <= shared <= mutual_information(one, one) + 1e-9


def test_all_pairs_of_a_drivers_samples_count():
    # Sample s of driver d has grey level 100 d + 10 s.
    def read(row):
        return flat(100 * int(row.driver[1:]) + 10 * row.seed)

    found = measure_diversity(rows(2, 3), read, drivers=10, seed=0)

    assert found["l2"] == pytest.approx((10 + 10 + 20) / 3)
    assert found["l2_norm"] == pytest.approx(found["l2"] / 255 * (512 * 512 * 3) ** 0.5)
    assert found["mutual_information"] == 0
    assert (found["drivers"], found["images"], found["pairs"]) == (2, 6, 6)
    assert 80 <= found["between_drivers"]["l2"] <= 120


def test_drivers_are_drawn_by_the_seed():
    def read(row):
        return flat(2 * row.seed * (1 + int(row.driver[1:])))

    found = [measure_diversity(rows(20, 2), read, drivers=3, seed=seed)["l2"] for seed in (1, 1, 2)]

    assert found[0] == found[1] != found[2]


def test_no_driver_with_two_samples():
    found = measure_diversity(rows(5, 1), lambda row: flat(1), drivers=10, seed=0)

    assert found["l2"] is None
    assert found["reason"] == "no driver has two samples"


def test_texture_features_tell_texture_apart():
    def features(scale, first):
        pictures = [surface(seed, 48).astype(float) for seed in range(first, first + 20)]
        return np.array(
            [
                texture_features((130 + scale * (one - 130)).clip(0, 255).astype(np.uint8))
                for one in pictures
            ]
        )

    real, alike, flatter = features(1, 0), features(1, 50), features(0.5, 100)

    assert real.shape == (20, WIDTH)
    near, far = (
        frechet_distance(standardise(one, real), standardise(real, real))
        for one in (alike, flatter)
    )
    assert far > 5 * near


def test_features_that_do_not_vary_are_left_in_their_unit():
    features = np.array([[1.0, 2.0], [3.0, 2.0]])

    assert standardise(features, features).tolist() == [[-1, 0], [1, 0]]
