import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.valvano.noise import NoiseSchedule, batch, generator

STABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
OURS = STABLE | {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}


def levels(schedule: NoiseSchedule, times: torch.Tensor) -> torch.Tensor:
    return schedule.scheduler.alphas_cumprod[times][:, None, None, None]


@pytest.mark.parametrize("config", [STABLE, OURS])
def test_noised_latents_and_target_give_the_clean_latents_back(config):
    schedule = NoiseSchedule.read(config)
    times = torch.tensor([0, 400, 998])
    clean, noise = torch.randn(2, 3, 4, 2, 2)
    noised = schedule.noised(clean, noise, times)
    target = schedule.target(clean, noise, times)
    level = levels(schedule, times)

    if schedule.prediction == "epsilon":
        found = (noised - (1 - level).sqrt() * target) / level.sqrt()
    else:
        found = level.sqrt() * noised - (1 - level).sqrt() * target
    torch.testing.assert_close(found, clean, rtol=1e-3, atol=1e-3)


def test_three_quarters_of_the_levels_are_those_of_a_weak_synthesis():
    schedule = NoiseSchedule.read(OURS)
    weak = schedule.times(20_000, np.random.default_rng(0), 0.2)
    whole = schedule.times(20_000, np.random.default_rng(0), 1.0)

    assert int(weak.max()) > 990
    assert int(weak.min()) == int(whole.min()) == 0
    assert abs(float((weak < 200).float().mean()) - (0.75 + 0.25 * 0.2)) < 0.01
    assert abs(float((whole < 200).float().mean()) - 0.2) < 0.01


def test_only_a_rescaled_schedule_ends_in_pure_noise():
    clean, noise = torch.randn(2, 1, 4, 2, 2)
    last = torch.tensor([999])

    assert torch.equal(NoiseSchedule.read(OURS).noised(clean, noise, last), noise)
    assert not torch.allclose(NoiseSchedule.read(STABLE).noised(clean, noise, last), noise)


def test_min_snr_weights_by_hand():
    for config in (STABLE, OURS):
        schedule = NoiseSchedule.read(config)
        times = torch.tensor([0, 300, 700, 998])
        level = schedule.scheduler.alphas_cumprod[times].double()
        snr = level / (1 - level)
        divisor = snr if config is STABLE else snr + 1
        expected = torch.minimum(snr, torch.tensor(5.0).double()) / divisor

        torch.testing.assert_close(schedule.weight(times, 5.0), expected.float())
        assert torch.equal(schedule.weight(times, 0), torch.ones(4))


def test_the_level_at_which_sampling_starts_is_trained_under_min_snr():
    weights = NoiseSchedule.read(OURS).weight(torch.tensor([999, 500]), 5.0)

    assert weights[0] == 1
    assert torch.isfinite(weights).all()


def test_noise_prediction_from_pure_noise_is_refused():
    with pytest.raises(ValueError, match="rescale_betas_zero_snr"):
        NoiseSchedule.read(STABLE | {"rescale_betas_zero_snr": True})
    with pytest.raises(ValueError, match="sample"):
        NoiseSchedule.read(STABLE | {"prediction_type": "sample"})


@given(seed=st.integers(0, 2**31 - 1), size=st.integers(1, 7), count=st.integers(1, 9))
def test_every_epoch_shows_every_example_once(seed, size, count):
    seen = [one for step in range(3 * count) for one in batch(seed, step, size, count)]

    for start in range(0, len(seen) - count + 1, count):
        assert sorted(seen[start : start + count]) == list(range(count))


def test_a_step_depends_on_seed_and_number_alone():
    first = generator(3, 10).standard_normal(4)

    assert np.array_equal(first, generator(3, 10).standard_normal(4))
    assert not np.array_equal(first, generator(3, 11).standard_normal(4))
    assert not np.array_equal(first, generator(4, 10).standard_normal(4))
