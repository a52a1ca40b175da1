"""Where the networks compute, and in which precision."""

import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from components.accelerator import CHOICE, given
from components.progress import say

M = TypeVar("M", bound=nn.Module)


class GPUUnusable(Exception):
    """There is a GPU which torch cannot use; the message says why, and the ways out."""


@dataclass(frozen=True)
class Device:
    """A device and the precision that was asked for on it.

    Attributes:
        device: The accelerator, or the CPU.
        dtype: Of networks that are not trained: bfloat16 or float32.
    """

    device: torch.device
    dtype: torch.dtype

    @property
    def accelerated(self) -> bool:
        """Whether this is an accelerator."""
        return self.device.type != "cpu"

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision for networks that are trained; their weights stay float32."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def trained(self, module: M) -> M:
        """Put a network here that will be trained, in float32."""
        return self._place(module, torch.float32)

    def frozen(self, module: M) -> M:
        """Put a network here that only computes."""
        return self._place(module, self.dtype).eval().requires_grad_(False)

    def _place(self, module: M, dtype: torch.dtype) -> M:
        # The tensor cores want the channels last; on a CPU it was measured to make no difference.
        layout = torch.channels_last if self.accelerated else torch.preserve_format
        # Past diffusers' own method, which warns of casts even where there is nothing to cast.
        nn.Module.to(module, self.device, dtype, memory_format=layout)
        return module


def choose(bf16: bool, *, repeatable: bool = True) -> Device:
    """The GPU if there is one, else the CPU, where bfloat16 would only be slower.

    Args:
        bf16: Whether to compute in bfloat16, on a GPU whose arithmetic has it.
        repeatable: Whether a GPU takes the deterministic kernels, so that a continued training
            equals an undisturbed one; operations that have none warn once.

    Raises:
        GPUUnusable: If there is a GPU which torch cannot use.
    """
    device = torch.accelerator.current_accelerator(check_available=True)
    if device is None:
        _check_absent()
        return Device(torch.device("cpu"), torch.float32)
    if device.type == "cuda":
        check_kernels(torch.cuda.get_device_capability(), torch.cuda.get_arch_list())
    if repeatable:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
    if (
        bf16
        and device.type == "cuda"
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        say(f"{torch.cuda.get_device_name()} has no bfloat16 arithmetic: computes in float32")
        bf16 = False
    return Device(device, torch.bfloat16 if bf16 else torch.float32)


def check_kernels(capability: tuple[int, int], compiled: Sequence[str]) -> None:
    """Make sure that a GPU is not older than all that this torch was compiled for.

    Args:
        capability: The GPU's compute capability.
        compiled: What torch was compiled for, as `sm_75` or `sm_90a`.

    Raises:
        GPUUnusable: If it is.
    """
    numbers = [re.match(r"sm_(\d+)(\d)", one) for one in compiled]
    oldest = min((tuple(map(int, one.groups())) for one in numbers if one), default=(0, 0))
    if capability < oldest:
        raise _unusable(
            f"it has compute capability {'.'.join(map(str, capability))}",
            f"it needs {'.'.join(map(str, oldest))} or more, so take another GPU",
        )


def _check_absent() -> None:
    """Make sure that no GPU lies idle beside days of computing on the CPU."""
    if not given():
        return
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())
    else:
        reason = "it finds none"
    raise _unusable(
        reason,
        f"its driver must be for CUDA {torch.version.cuda} or newer, and the runtime of a "
        "container NVIDIA's",
    )


def _unusable(reason: str, way: str) -> GPUUnusable:
    return GPUUnusable(
        f"there is an NVIDIA GPU, which PyTorch {torch.__version__} cannot use ({reason}): {way}; "
        f"to compute on the CPU set {CHOICE}= (to nothing)"
    )
