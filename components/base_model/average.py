"""Moving average of weights that is useful from the first steps on."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def averaged(module: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average whose memory grows to 1 / (1 - `decay`) updates.

    After n updates the decay is at most (1 + n) / (10 + n), so that the random start is forgotten
    at once and a training that is looked at early shows its own weights.
    """

    def update(averages: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor) -> None:
        done = int(count)
        share = 1 - min(decay, (1 + done) / (10 + done))
        torch._foreach_lerp_(list(averages), list(weights), share)

    return AveragedModel(module, multi_avg_fn=torch.no_grad()(update))
