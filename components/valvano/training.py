"""The loop that both phases are trained with.

AdamW, a learning rate that is a function of the step, clipped gradients, an optional moving
average, checkpoints. Step i draws everything from (seed, i), so a run that was killed and
continued ends with the same bits as one that was not.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from components.checkpoint import Checkpoint
from components.device import Device
from components.progress import track

FLUSH = 10
"""Steps between two looks at the losses; on an accelerator every look waits for it."""

POINTS = 100
"""Points of a curve."""


class Recipe(Protocol):
    """The settings of a training that this loop reads; see the steps' settings."""

    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def schedule(self) -> Literal["constant", "cosine"]: ...  # noqa: D102
    @property
    def warmup(self) -> int: ...  # noqa: D102
    @property
    def ema(self) -> float: ...  # noqa: D102
    @property
    def checkpoint_every(self) -> int: ...  # noqa: D102


def rate(recipe: Recipe, step: int) -> float:
    """Learning rate of a step, counted from 0: linear warm-up, then constant or half a cosine."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return recipe.learning_rate
    share = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def fit(
    trained: Sequence[nn.Parameter],
    losses: Callable[[int], Mapping[str, Tensor]],
    recipe: Recipe,
    path: Path,
    *,
    on: Device,
    seed: int,
    what: str,
) -> tuple[Checkpoint, dict[str, list[tuple[int, float]]]]:
    """Train to the end, continuing from the checkpoint in `path` if there is one.

    Args:
        trained: The parameters; changed in place, and at the end the average where one is kept.
        losses: Gives a step's losses, scalars by name; the one called `loss` is minimised. It
            must depend on the number of the step and the parameters only.
        recipe: The settings.
        path: File of the checkpoint. It is left holding the final state, to be discarded by the
            caller when the result is written.
        on: Where the parameters are.
        seed: Seed of what the networks themselves draw, such as dropout.
        what: Name of the loop in the progress.

    Returns:
        The checkpoint, and the mean losses of up to `POINTS` intervals.

    Raises:
        FloatingPointError: If a loss is not finite.
    """
    parameters = nn.ParameterList(trained)
    modules: dict[str, nn.Module] = {"trained": parameters}
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, fused=True)
    average = copy.deepcopy(parameters).requires_grad_(False) if recipe.ema else None
    if average is not None:
        modules["average"] = average
    checkpoint = Checkpoint(path, modules, optimizer)
    done = checkpoint.load()
    pending: list[tuple[int, dict[str, Tensor]]] = []

    for step in track(range(done, recipe.steps), what, total=recipe.steps, done=done):
        torch.manual_seed((seed << 32) + step)
        for group in optimizer.param_groups:
            group["lr"] = rate(recipe, step)
        with on.autocast():
            found = losses(step)
        found["loss"].backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if average is not None:
            # A young average must not remember the initial weights for 1 / (1 - decay) steps.
            decay = min(recipe.ema, (step + 1) / (step + 10))
            torch._foreach_lerp_(list(average), list(parameters), 1 - decay)
        pending.append((step + 1, {name: value.detach() for name, value in found.items()}))
        last = step + 1 == recipe.steps
        due = (step + 1) % recipe.checkpoint_every == 0 or last
        if len(pending) == FLUSH or due:
            _flush(pending, checkpoint.curves, recipe)
        if due:
            checkpoint.save(step + 1)

    if average is not None:
        with torch.no_grad():
            torch._foreach_copy_(list(parameters), list(average))
    return checkpoint, {name: _thin(points) for name, points in checkpoint.curves.items()}


def final(points: Sequence[tuple[int, float]]) -> float:
    """Mean of the last tenth of a curve, at least of its last point."""
    tail = [value for _, value in points[-max(1, len(points) // 10) :]]
    return sum(tail) / len(tail)


def _flush(
    pending: list[tuple[int, dict[str, Tensor]]],
    curves: dict[str, list[tuple[int, float]]],
    recipe: Recipe,
) -> None:
    """Move losses from the device to the curves, which hold every step."""
    # A loss of a part that a batch does not show is missing in that step.
    for name in dict.fromkeys(name for _, found in pending for name in found):
        points = [(step, found[name]) for step, found in pending if name in found]
        values = torch.stack([value for _, value in points]).float().tolist()
        for (step, _), value in zip(points, values, strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"{name} is {value} at step {step} with learning rate "
                    f"{rate(recipe, step - 1):g}; lower learning_rate, raise warmup, or set "
                    "bf16=false, and run again"
                )
            curves.setdefault(name, []).append((step, value))
    pending.clear()


def _thin(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Means over equal intervals, each at its last step."""
    length = -(-len(points) // POINTS)
    thinned = []
    for start in range(0, len(points), length):
        part = points[start : start + length]
        thinned.append((part[-1][0], sum(value for _, value in part) / len(part)))
    return thinned
