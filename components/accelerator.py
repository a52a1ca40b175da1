"""The GPUs that a process may use, found without importing torch."""

import itertools
import os
from pathlib import Path

CHOICE = "CUDA_VISIBLE_DEVICES"
"""Environment variable that says which GPUs CUDA shows a process; empty for none."""

DEVICES = Path("/dev")
"""Where Linux keeps a file for every GPU."""

_RUNTIME = "NVIDIA_VISIBLE_DEVICES"
"""Environment variable by which Kubernetes' device plugin tells NVIDIA's container runtime which
GPUs a container was given; an image may ask for all there are."""


def gpus(devices: Path = DEVICES) -> list[str]:
    """NVIDIA's GPUs that this process may use, by the names that `CHOICE` may have.

    A container that was given one of several has a file with that one's number, and CUDA counts
    from 0 what is there.

    Args:
        devices: Where Linux keeps a file for every GPU.
    """
    there = len(list(devices.glob("nvidia[0-9]*")))
    chosen = os.environ.get(CHOICE)
    if chosen is None or not there:
        return [str(number) for number in range(there)]
    names = (name.strip() for name in chosen.split(","))
    # CUDA, too, reads on only to the first that is none.
    return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))


def given(devices: Path = DEVICES) -> bool:
    """Whether this process was given a GPU, even one of which its container has nothing.

    Where a node's container runtime is not NVIDIA's, a container has the name of its GPU only.

    Args:
        devices: Where Linux keeps a file for every GPU.
    """
    named = os.environ.get(_RUNTIME, "") not in ("", "all", "none", "void")
    return bool(gpus(devices)) or (named and CHOICE not in os.environ)
