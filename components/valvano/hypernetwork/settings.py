"""Settings of phase 2, learning the condition."""

from typing import Annotated, Literal

from pydantic import Field

from components.settings import Settings


class HyperNetworkSettings(Settings):
    """Training of the copy that reads the driver and steers the frozen model."""

    start: Literal["copy", "embedded"] = "copy"
    """A copy of the UNet's encoder, as in the paper, or, for the embedded base model only, the
    same copy after a long training on procedural textures."""

    unlock: bool = False
    """Train the concept's decoder along, which ControlNet's authors advise where images look unlike
    what the model knows; the paper keeps it frozen."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 5000
    """Optimiser steps; the defect appears suddenly, after some thousand on Stable Diffusion."""

    batch: Annotated[int, Field(ge=1, le=256)] = 4
    """Photos a step."""

    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    """Peak learning rate of AdamW."""

    schedule: Literal["constant", "cosine"] = "constant"
    """Course of the learning rate after the warm-up."""

    warmup: Annotated[int, Field(ge=0)] = 0
    """Steps of linear warm-up."""

    mask_weight: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Weight of the loss inside the dilated defect mask, relative to 1 outside."""

    flips: bool = True
    """Mirror photo and driver together at random."""

    turns: bool = False
    """Turn photo and driver together by quarters at random; few photos are worth more so."""

    strength: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Learn mostly this share of the noise levels, the lowest: what a synthesis of this strength
    goes through. All of them alike at 1, as in the paper."""

    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the moving average of the weights, which then is the result; 0 keeps none."""

    bf16: bool = False
    """Compute in bfloat16 on a GPU; without meaning on a CPU."""

    gradient_checkpointing: bool = False
    """Trade a third of the speed for activations' memory."""

    checkpoint_every: Annotated[int, Field(ge=1)] = 200
    """Optimiser steps between two checkpoints."""
