"""Encoded training pictures, computed once and kept in memory.

The autoencoder is frozen and pictures are only laid in other orientations, so each view needs to be
encoded once (the latents of a mirrored picture are not the mirrored latents).
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

    def __len__(self) -> int:
        return len(self.mean)


@dataclass(frozen=True)
class Views:
    """Latents of pictures, each in some orientations.

    Attributes:
        latents: Of all views, picture by picture, n * k of them.
        orientations: Which these are, (n, k); see `orientation.py`.
    """

    latents: Latents
    orientations: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.orientations)

    def draw(
        self, which: Sequence[int], rng: np.random.Generator
    ) -> tuple[Tensor, NDArray[np.int64]]:
        """Latents (len(which), channels, height, width) of one view each, and its orientation."""
        pictures, views = np.array(which), self.orientations.shape[1]
        chosen = rng.integers(views, size=len(pictures)) if views > 1 else np.zeros_like(pictures)
        rows = torch.from_numpy(pictures * views + chosen)
        drawn = self.latents.mean[rows]
        if self.latents.deviation is not None:
            drawn = drawn + self.latents.deviation[rows] * normal(drawn.shape, rng)
        return drawn, self.orientations[pictures, chosen]


def normal(shape: Sequence[int], rng: np.random.Generator) -> Tensor:
    """Standard normal numbers, float32 on the CPU."""
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))
