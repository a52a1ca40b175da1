"""Encoded training pictures, computed once and kept in memory.

The autoencoder is frozen and nothing is augmented at random but by mirroring, so a picture needs
to be encoded once, or twice where it may be mirrored (the latents of a mirrored picture are not
the mirrored latents).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Latents:
    """Encoded pictures: a normal distribution a picture, or points; on the CPU.

    Attributes:
        mean: (n, channels, height, width), scaled as the UNet expects.
        deviation: Same shape; None where the encoder is exact.
    """

    mean: Tensor
    deviation: Tensor | None


@dataclass(frozen=True)
class Views:
    """Latents of pictures as they are, and of their mirror images where these are allowed."""

    plain: Latents
    mirrored: Latents | None

    def __len__(self) -> int:
        return len(self.plain.mean)

    def draw(
        self, which: Sequence[int], rng: np.random.Generator
    ) -> tuple[Tensor, NDArray[np.bool_]]:
        """Latents (len(which), channels, height, width), and which of them are mirrored."""
        index = list(which)
        turned = np.zeros(len(index), bool)
        if self.mirrored is not None:
            turned = rng.random(len(index)) < 0.5
        mean = _choose(turned, self.plain.mean, self.mirrored and self.mirrored.mean, index)
        if self.plain.deviation is None:
            return mean, turned
        deviation = _choose(
            turned, self.plain.deviation, self.mirrored and self.mirrored.deviation, index
        )
        return mean + deviation * normal(mean.shape, rng), turned


def normal(shape: Sequence[int], rng: np.random.Generator) -> Tensor:
    """Standard normal numbers, float32 on the CPU."""
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))


def _choose(
    turned: NDArray[np.bool_], plain: Tensor, mirrored: Tensor | None, index: list[int]
) -> Tensor:
    if mirrored is None:
        return plain[index]
    return torch.where(torch.from_numpy(turned)[:, None, None, None], mirrored[index], plain[index])
