"""KID: clean-fid's formula, with random numbers of its own."""

import numpy as np
import pytest

from components.fid_evaluation.kernel import discrepancy, kernel_distance


def features(seed, images, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (images, 16)).astype(np.float32)


def test_sets_of_one_size_equal_clean_fid():
    from cleanfid.fid import kernel_distance as reference

    one, other = features(1, 40), features(2, 40, 0.3)

    assert kernel_distance(one, other, seed=0) == pytest.approx(reference(one, other), rel=1e-4)


def test_subsets_agree_with_clean_fid_up_to_their_draws():
    from cleanfid.fid import kernel_distance as reference

    one, other = features(1, 80), features(2, 50, 0.5)
    np.random.seed(0)
    expected = reference(one, other, num_subsets=400)

    assert kernel_distance(one, other, seed=0, subsets=400) == pytest.approx(expected, rel=0.02)


def test_one_subset_by_hand():
    one, other = np.array([[1.0], [2.0]]), np.array([[0.0], [1.0]])
    # Kernel (xy + 1)³: within 27 and 1, across 1, 8, 1, 27.
    within, across = 27 + 1, (1 + 8 + 1 + 27) / 4

    assert discrepancy(one, other) == pytest.approx(within - 2 * across)


def test_equal_sources_are_at_zero_on_average():
    values = [kernel_distance(features(i, 30), features(i + 500, 30), seed=0) for i in range(60)]

    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0


def test_draws_are_seeded_and_leave_the_global_generator_alone():
    one, other = features(1, 30), features(2, 20)
    np.random.seed(3)
    before = np.random.get_state()[1].copy()

    values = [kernel_distance(one, other, seed=seed) for seed in (1, 1, 2)]

    assert values[0] == values[1] != values[2]
    assert np.array_equal(np.random.get_state()[1], before)


def test_too_small_a_set_is_refused():
    with pytest.raises(ValueError, match="at least two images"):
        kernel_distance(features(1, 1), features(2, 5), seed=0)
