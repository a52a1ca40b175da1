"""Muon: momentum with orthogonal matrices, for trainings that have no time (Jordan et al. 2024).

From nothing it brought the embedded base model in 800 steps to where AdamW took 2400. PyTorch's own
takes matrices only, no kernels of convolutions, and computes in bfloat16: on a CPU without it that
alone took eight times as long as the rest of a step.
"""

import torch
from torch import Tensor, nn

_MOMENTUM = 0.95
_ROUNDS = 5
_POLYNOMIAL = (3.4445, -4.7750, 2.0315)
"""Of Jordan's iteration: singular values end between 0.7 and 1.2, which is enough, soon."""


class Muon(torch.optim.AdamW):
    """Muon for the weights of linear layers and convolutions, AdamW for all else.

    Updates have the size of AdamW's (Liu et al. 2025, equation 4), so both take one learning rate.

    Args:
        module: What is trained; its convolutions' kernels are read as matrices (out, in * h * w).
        lr: Learning rate, for both.
        weight_decay: AdamW's, for both.
    """

    def __init__(self, module: nn.Module, lr: float, weight_decay: float = 0.0) -> None:
        matrices = [
            one.weight for one in module.modules() if isinstance(one, nn.Linear | nn.Conv2d)
        ]
        found = {id(one) for one in matrices}
        others = [one for one in module.parameters() if id(one) not in found]
        super().__init__(
            [{"params": matrices, "orthogonal": True}, {"params": others, "orthogonal": False}],
            lr=lr,
            weight_decay=weight_decay,
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update once; the matrices' gradients are used up."""
        for group in self.param_groups:
            if not group["orthogonal"]:
                continue
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros(())  # AdamW reads it of all when a state is loaded
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"]
                momentum.lerp_(parameter.grad, 1 - _MOMENTUM)
                ahead = parameter.grad.lerp(momentum, _MOMENTUM).flatten(1)  # Nesterov's
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                size = 0.2 * max(ahead.shape) ** 0.5
                parameter.sub_(orthogonal(ahead).view_as(parameter), alpha=group["lr"] * size)
                parameter.grad = None
        super().step()


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought near 1, by Newton and Schulz's iteration."""
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    a, b, c = _POLYNOMIAL
    found = wide / (wide.norm() + 1e-7)
    for _ in range(_ROUNDS):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return found.T if matrix.shape[0] > matrix.shape[1] else found
