"""Settings of phase 1, learning the concept."""

from typing import Annotated, Literal

from pydantic import Field

from components.settings import Settings

DECODER_BATCH = 4
"""Photos a step of the autoencoder's decoder."""


class PriorSettings(Settings):
    """The class images that the base model draws for prior preservation."""

    images: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Number of class images."""

    steps: Annotated[int, Field(ge=1, le=1000)] = 50
    """Denoising steps an image."""

    guidance: Annotated[float, Field(ge=1, le=30)] = 7.5
    """Scale of classifier-free guidance; 1 is none."""

    batch: Annotated[int, Field(ge=1, le=256)] = 4
    """Images drawn at once."""

    bf16: bool = False
    """Compute in bfloat16 on a GPU; without meaning on a CPU."""


class DreamBoothSettings(Settings):
    """Fine-tuning of the base model on a few photos of the domain."""

    steps: Annotated[int, Field(ge=1, le=100_000)] = 800
    """Optimiser steps."""

    batch: Annotated[int, Field(ge=1, le=256)] = 1
    """Photos a step; as many class images come on top."""

    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 5e-6
    """Peak learning rate of AdamW."""

    schedule: Literal["constant", "cosine"] = "constant"
    """Course of the learning rate after the warm-up."""

    warmup: Annotated[int, Field(ge=0)] = 0
    """Steps of linear warm-up."""

    prior_weight: Annotated[float, Field(ge=0, le=10)] = 1.0
    """The lambda of the prior-preservation loss; 0 trains without class images."""

    adaptation: Literal["full", "lora"] = "full"
    """What is trained: all weights of the UNet, or low-rank adapters of its attention (peft)."""

    lora_rank: Annotated[int, Field(ge=1, le=512)] = 16
    """Rank of the adapters."""

    text_encoder: bool = False
    """Whether the text encoder is trained too."""

    flips: bool = False
    """Mirror the pictures at random; only where a mirrored object is still a possible one."""

    min_snr: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Gamma of the min-SNR loss weight; 0 weighs all noise levels alike."""

    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the moving average of the weights, which then is the result; 0 keeps none."""

    decoder_steps: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Optimiser steps in which the autoencoder's decoder learns the photos' tints and edges. The
    paper has none, and Stable Diffusion needs none."""

    decoder_rate: Annotated[float, Field(gt=0, lt=1)] = 5e-4
    """Peak learning rate of these steps."""

    bf16: bool = False
    """Compute in bfloat16 on a GPU; without meaning on a CPU."""

    gradient_checkpointing: bool = False
    """Trade a third of the speed for activations' memory."""

    checkpoint_every: Annotated[int, Field(ge=1)] = 100
    """Optimiser steps between two checkpoints."""
