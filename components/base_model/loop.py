"""What every stage of the training does around its own loss: steps, average, curves, checkpoint."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from components.base_model.average import averaged
from components.base_model.plan import Stage
from components.checkpoint import Checkpoint
from components.progress import say, track

Curves = dict[str, list[tuple[int, float]]]

_SELDOM = 10
"""Points of the other curves between two of what is measured on held-out data."""


def train_stage(
    name: str,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    gradients: Callable[[int], Mapping[str, float]],
    stage: Stage,
    work: Path,
    *,
    decay: float,
    held_out: Callable[[nn.Module], Mapping[str, float]] | None = None,
    snapshot: bool = False,
) -> Curves:
    """Train a module in place; its weights become their moving average.

    Interrupted, it continues from its last checkpoint, to the same weights.

    Args:
        name: Of the stage, for its progress and its checkpoint.
        module: What is trained.
        optimizer: Of its parameters.
        gradients: Adds the gradients of the batch of a step, a function of the step's number alone,
            and tells what it measured; the first is the loss.
        stage: How long and how fast.
        work: Folder for the checkpoint.
        decay: Of the moving average.
        held_out: Measures the average on what is not trained on, now and then: what tells whether
            more steps would still help.
        snapshot: Take the average of the last checkpoint as it is, without training on.

    Returns:
        A curve for everything measured: means over the steps between two points, and what
        `held_out` said.
    """
    average = averaged(module, decay)
    curves: Curves = {}
    checkpoint = Checkpoint(
        work / f"{name}.safetensors", {"model": module, "average": average}, optimizer, curves
    )
    done = checkpoint.load()
    last = done if snapshot else stage.steps
    window: list[Mapping[str, float]] = []
    for step in track(range(done, last), name, total=stage.steps, done=done):
        stage.warm(optimizer, step)
        optimizer.zero_grad()
        window.append(gradients(step))
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(module)
        if (step + 1) % stage.report == 0:
            for one in window[0]:
                mean = sum(found[one] for found in window) / len(window)
                curves.setdefault(one, []).append((step + 1, mean))
            loss = next(iter(window[0]))
            say(f"{name} step {step + 1}: {loss} {curves[loss][-1][1]:.4f}")
            window = []
            if held_out is not None and (step + 1) % (_SELDOM * stage.report) == 0:
                for one, value in held_out(average.module).items():
                    curves.setdefault(one, []).append((step + 1, value))
                    say(f"{name} step {step + 1}: {one} {value:.4f}")
            checkpoint.save(step + 1)
    if last > done:
        checkpoint.save(last)
    module.load_state_dict(average.module.state_dict())
    return curves
