"""How long and how fast a stage of the training runs."""

import math
from typing import Annotated

from pydantic import Field
from torch.optim import Optimizer

from components.settings import Settings


class Stage(Settings):
    """One stage: optimiser steps, a short warm-up, then a cosine down to a hundredth."""

    steps: Annotated[int, Field(ge=0)]
    """Optimiser steps; 0 leaves the weights that the training goes on from as they are."""

    batch: Annotated[int, Field(ge=1)]
    """Pictures a step."""

    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """Peak learning rate."""

    warmup: Annotated[int, Field(ge=0)] = 100
    """Steps of linear warm-up."""

    bf16: bool = False
    """Whether the UNet and the text encoder compute in bfloat16; a CPU that has it is faster so."""

    report: Annotated[int, Field(ge=1)] = 100
    """Steps between two points of a curve, each with a checkpoint."""

    def warm(self, optimizer: Optimizer, step: int) -> None:
        """Set the learning rate of a step, a function of its number alone."""
        rise = min((step + 1) / max(self.warmup, 1), 1.0)
        fall = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / self.steps))
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate * rise * fall


class Plan(Settings):
    """All that a training depends on, beside the code."""

    seed: Annotated[int, Field(ge=0)] = 0
    """Of the textures, the weights and the noise."""

    side: Annotated[int, Field(ge=16, multiple_of=16)] = 96
    """Side of the pictures, pixels."""

    pool: Annotated[int, Field(ge=8)] = 4000
    """Number of textures."""

    autoencoder: Stage = Stage(steps=3000, batch=8, learning_rate=1e-3)
    """First stage."""

    text: Stage = Stage(steps=2500, batch=128, learning_rate=6e-4)
    """Second stage, the text encoder."""

    denoiser: Stage = Stage(steps=2400, batch=12, learning_rate=8e-4)
    """Third stage."""
