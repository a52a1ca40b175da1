"""Checkpoints of a training: one safetensors file, whole or not at all.

A training draws its batches, its noise and its time steps from generators seeded with (seed,
step), so the number of the step is the whole state of the sampler and of the random numbers; the
weights, the averages and the optimiser are the rest.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

CURVES = "curves"


@dataclass
class Checkpoint:
    """The file in which a training keeps its state.

    Attributes:
        path: The file.
        modules: What is trained, by name; loaded and saved in place.
        optimizer: Its optimiser.
        curves: Points (step, value) by name, kept with the state so that they have no gap.
        step: Number of optimiser steps done.
    """

    path: Path
    modules: Mapping[str, nn.Module]
    optimizer: torch.optim.Optimizer
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    step: int = 0

    def save(self, step: int) -> None:
        """Write the state after `step` optimiser steps aside, then rename."""
        self.step = step
        # What lies in this machine's memory is not copied: a large model's state would not fit.
        tensors: dict[str, Tensor] = {}
        for name, module in self.modules.items():
            for one, value in module.state_dict().items():
                tensors[f"{name}/{one}"] = value.detach().cpu().contiguous()
        for index, state in self.optimizer.state_dict()["state"].items():
            for one, value in state.items():
                kept = torch.as_tensor(value).detach().cpu()
                tensors[f"optimizer/{index}/{one}"] = kept.contiguous()
        aside = self.path.with_suffix(".part")
        save_file(tensors, aside, {"step": str(step), CURVES: json.dumps(self.curves)})
        aside.replace(self.path)

    def load(self) -> int:
        """Restore the last state, if there is one, and return the number of steps done."""
        if not self.path.is_file():
            return 0
        with safe_open(self.path, "pt") as stored:
            about = stored.metadata()
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}
        for name, module in self.modules.items():
            module.load_state_dict(_below(tensors, f"{name}/"))
        state: dict[int, dict[str, Any]] = {}
        for name, value in _below(tensors, "optimizer/").items():
            index, one = name.split("/", 1)
            state.setdefault(int(index), {})[one] = value
        fresh = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": state, "param_groups": fresh["param_groups"]})
        # Fused optimisers want moments laid out in memory as their parameters are.
        for parameter, moments in self.optimizer.state.items():
            for one, value in moments.items():
                if value.shape == parameter.shape:
                    moments[one] = torch.empty_like(parameter).copy_(value)
        self.curves.clear()
        self.curves.update(
            {name: [(int(x), float(y)) for x, y in points]
             for name, points in json.loads(about[CURVES]).items()}
        )  # fmt: skip
        self.step = int(about["step"])
        return self.step

    def discard(self) -> None:
        """Remove the file, once the training's result is written."""
        self.path.unlink(missing_ok=True)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
