"""The regimes: which images a step learns from, and how fast; nothing else may differ.

All regimes have the same number of optimiser steps, the same batch and the same learning rate at
every step, so a gain of one regime over another is never training length in disguise. The rate
rises and falls once: what `synthetic_then_real` learns from synthetic images at high rates it
refines on real ones at lower rates. A second rise, where the images change, would undo what came
before it.
"""

import math
from typing import Literal

from components.mask_rcnn.settings import Regime

Source = Literal["real", "synthetic"]

WARM_UP = 0.1
"""Share of the steps over which the learning rate rises to its peak."""

WORTH = 4
"""Synthetic images that one real image is taken to be worth."""


def sources(regime: Regime, steps: int, pretrain_share: float) -> list[Source]:
    """Where every optimiser step's images come from.

    Args:
        regime: What the segmenter is trained on.
        steps: Optimiser steps.
        pretrain_share: Share of the steps, 0 .. 1, that `synthetic_then_real` spends on synthetic
            images; at least one step goes to each of the two.

    Raises:
        ValueError: If the regime is unknown, or two sources do not fit into one step.
    """
    if regime == "real":
        return ["real"] * steps
    if regime == "synthetic":
        return ["synthetic"] * steps
    if regime != "synthetic_then_real":
        raise ValueError(
            f"regime {regime!r} is unknown; choose real, synthetic or synthetic_then_real"
        )
    if steps < 2:
        raise ValueError(f"synthetic_then_real needs 2 steps or more, mask_rcnn.steps is {steps}")
    first = pretraining(steps, pretrain_share)
    plan: list[Source] = ["synthetic"] * first
    plan += ["real"] * (steps - first)
    return plan


def synthetic_share(most: float, real: int, synthetic: int) -> float:
    """Share of the steps that `synthetic_then_real` spends on synthetic images.

    It is their share of all images, where a real one counts as `WORTH`, times `most`: the more real
    images there are, the less synthetic ones can add, and the more is lost with every step that is
    taken from the real ones.

    Args:
        most: The share where there are hardly any real images, 0 .. 1.
        real: Number of real images.
        synthetic: Number of synthetic images, one or more.
    """
    return most * synthetic / (WORTH * real + synthetic)


def pretraining(steps: int, share: float) -> int:
    """Number of steps before the images change, of `steps`, at least one and not all."""
    return min(max(round(steps * share), 1), steps - 1) if steps > 1 else 0


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Learning rate of a step: linear warm-up, then a cosine that ends at zero.

    Args:
        step: Number of the step, counted from 0.
        steps: Optimiser steps of the training.
        peak: Largest learning rate.
    """
    rise = max(round(WARM_UP * steps), 1)
    if step < rise:
        return peak * (step + 1) / rise
    return peak * (1 + math.cos(math.pi * (step - rise + 1) / (steps - rise + 1))) / 2


def validation_steps(steps: int, validations: int) -> list[int]:
    """After how many steps the validation part is scored, the same in any regime.

    Evenly spread, the last step included.

    Args:
        steps: Optimiser steps of the training.
        validations: How often.
    """
    return sorted({max(round(steps * (one + 1) / validations), 1) for one in range(validations)})
