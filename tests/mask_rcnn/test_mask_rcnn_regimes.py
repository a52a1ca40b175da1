"""No regime may have more steps, other rates or bigger batches than another."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.mask_rcnn.regimes import (
    learning_rate,
    sources,
    synthetic_share,
    validation_steps,
)
from components.mask_rcnn.settings import REGIMES

STEPS = st.integers(2, 5000)
SHARES = st.floats(0, 1, exclude_min=True, exclude_max=True)


@given(STEPS, SHARES)
def test_all_regimes_have_the_same_number_of_steps(steps: int, share: float) -> None:
    assert {len(sources(regime, steps, share)) for regime in REGIMES} == {steps}


@given(STEPS, SHARES)
def test_pretraining_comes_first_and_both_sources_have_a_part(steps: int, share: float) -> None:
    plan = sources("synthetic_then_real", steps, share)
    first = plan.count("synthetic")
    assert plan == ["synthetic"] * first + ["real"] * (steps - first)
    assert 1 <= first < steps
    assert abs(first - steps * share) <= 1


@given(STEPS, SHARES)
def test_pure_regimes_are_pure(steps: int, share: float) -> None:
    assert set(sources("real", steps, share)) == {"real"}
    assert set(sources("synthetic", steps, share)) == {"synthetic"}


@given(st.floats(0.01, 0.99), st.integers(1, 10_000), st.integers(1, 10_000))
def test_more_real_images_leave_fewer_steps_to_synthetic_ones(
    most: float, real: int, synthetic: int
) -> None:
    share = synthetic_share(most, real, synthetic)
    assert 0 < share <= most
    assert synthetic_share(most, real + 1, synthetic) < share
    assert synthetic_share(most, real, synthetic + 1) > share
    assert synthetic_share(most, 10 * real, 10 * synthetic) == pytest.approx(share)


def test_one_step_cannot_have_two_sources() -> None:
    with pytest.raises(ValueError, match="2 steps or more"):
        sources("synthetic_then_real", 1, 0.5)


def test_an_unknown_regime_is_named() -> None:
    with pytest.raises(ValueError, match="'mixed' is unknown"):
        sources("mixed", 10, 0.5)  # type: ignore[arg-type]


@given(STEPS, st.floats(1e-6, 0.5))
def test_the_rate_rises_to_its_peak_and_falls_to_zero(steps: int, peak: float) -> None:
    rates = [learning_rate(step, steps, peak) for step in range(steps)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(peak)
    assert all(one < two for one, two in pairwise(rates[: top + 1]))
    assert all(one > two for one, two in pairwise(rates[top:]))
    assert rates[-1] < 0.5 * peak or steps < 4


@given(STEPS, st.integers(1, 100))
def test_the_last_step_is_validated_and_the_others_are_spread(steps: int, validations: int) -> None:
    found = validation_steps(steps, validations)
    assert found[-1] == steps
    assert found == sorted(set(found)) and found[0] >= 1
    assert len(found) == min(steps, validations)
    gaps = [two - one for one, two in pairwise([0, *found])]
    assert max(gaps) - min(gaps) <= 2
