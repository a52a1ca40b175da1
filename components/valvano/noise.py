"""What the denoiser is trained on: noised latents, targets, loss weights.

Everything drawn for a training step comes from a generator seeded with (seed, step), so that a
continued training sees what an undisturbed one would have seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from torch import Tensor

EPSILON = "epsilon"
VELOCITY = "v_prediction"

_VISITED = 0.75
"""Share of the noise levels learnt that a synthesis below full strength goes through."""


@dataclass(frozen=True)
class NoiseSchedule:
    """The forward process that a model was trained with.

    Attributes:
        scheduler: The same process as a DDPM scheduler.
        prediction: What the network predicts, the noise or the velocity.
    """

    scheduler: DDPMScheduler
    prediction: str

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "NoiseSchedule":
        """Take the process from any scheduler's configuration.

        Raises:
            ValueError: If the configuration asks for something that cannot be trained.
        """
        keys = (
            "num_train_timesteps",
            "beta_start",
            "beta_end",
            "beta_schedule",
            "trained_betas",
            "prediction_type",
            "rescale_betas_zero_snr",
        )
        scheduler = DDPMScheduler(**{key: config[key] for key in keys if key in config})
        prediction = str(scheduler.config.prediction_type)
        if prediction not in (EPSILON, VELOCITY):
            raise ValueError(
                f"the base model predicts {prediction!r}; only {EPSILON!r} and {VELOCITY!r} are "
                "supported"
            )
        if prediction == EPSILON and float(scheduler.alphas_cumprod[-1]) <= 0:
            raise ValueError(
                "a model that predicts the noise cannot start from pure noise: set "
                "rescale_betas_zero_snr to false in its scheduler, or use v_prediction"
            )
        return cls(scheduler, prediction)

    @property
    def length(self) -> int:
        """Number of noise levels."""
        return int(self.scheduler.config.num_train_timesteps)

    def times(self, count: int, rng: np.random.Generator, strength: float) -> Tensor:
        """Noise levels (count,) to learn, most of them those that a synthesis goes through.

        Args:
            count: How many.
            rng: Where they are drawn.
            strength: The synthesis'. Below 1 three quarters of them are from this share of the
                levels, the lowest; the others, from all, keep drawing from noise alone possible.
        """
        times = rng.integers(0, self.length, count)
        if strength < 1:
            low = rng.random(count) < _VISITED
            times = np.where(low, (times * strength).astype(np.int64), times)
        return torch.from_numpy(times)

    def noised(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """sqrt(a_t) clean + sqrt(1 - a_t) noise; all (n, channels, h, w), times (n,)."""
        return self.scheduler.add_noise(clean, noise, times)

    def target(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What the network should say: the noise, or sqrt(a_t) noise - sqrt(1 - a_t) clean."""
        if self.prediction == EPSILON:
            return noise
        return self.scheduler.get_velocity(clean, noise, times)

    def weight(self, times: Tensor, gamma: float) -> Tensor:
        """Min-SNR loss weights (n,) on the CPU; all 1 for gamma 0 (Hang et al. 2023, section 3.4).

        In terms of the clean latents the weight is min(SNR, gamma). An error of the noise is
        SNR times as large, an error of the velocity SNR + 1 times, hence the two divisors. At
        zero SNR the velocity's weight would be 0; it is 1 there, because every sampling starts
        at that level and it must not stay untrained.
        """
        if gamma == 0:
            return torch.ones(len(times))
        level = self.scheduler.alphas_cumprod[times.cpu()].double()
        snr = level / (1 - level)
        if self.prediction == EPSILON:
            weights = (gamma / snr).clamp(max=1)
        else:
            weights = snr.clamp(max=gamma) / (snr + 1)
            weights[snr == 0] = 1
        return weights.float()


def generator(seed: int, step: int) -> np.random.Generator:
    """The generator of everything that is drawn at one training step."""
    return np.random.default_rng([seed, step])


def batch(seed: int, step: int, size: int, count: int) -> list[int]:
    """Which of `count` examples a training step sees.

    The examples come in epochs, each in an order of its own; a batch may cross into the next.
    """
    found: list[int] = []
    orders: dict[int, list[int]] = {}
    for place in range(step * size, (step + 1) * size):
        epoch, position = divmod(place, count)
        if epoch not in orders:
            # The third number keeps these generators apart from those of the steps.
            order = np.random.default_rng([seed, epoch, count]).permutation(count)
            orders[epoch] = [int(one) for one in order]
        found.append(orders[epoch][position])
    return found
