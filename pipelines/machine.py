"""What of this machine a run may use, and how many steps compute on it at once."""

import contextlib
import math
import subprocess
import sys
from pathlib import Path

from components.accelerator import gpus
from components.cores import LIMITS, cores

_PATIENCE = 20.0
"""Seconds in which NVIDIA's driver answers; the first question wakes it."""

_MOST_LANES = 2
"""KFP's local runner does two tasks of a loop at once at most."""


def room(limits: Path = LIMITS) -> int:
    """How much memory a run may use, bytes: what the machine or its container has in all."""
    import psutil

    return int(min(psutil.virtual_memory().total, _memory_limit(limits)))


def against_gpus() -> str:
    """Why the GPUs of this machine cannot be used; empty where they can, or there are none."""
    if not gpus():
        return ""
    # As a step will, in a process of its own: torch is long to import, and takes hold of a GPU.
    command = [sys.executable, "-c", "from components.device import choose; choose(bf16=True)"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return ""
    said = ended.stderr.strip().splitlines()
    return said[-1].partition(": ")[2] if said else f"exit code {ended.returncode}"


def gpu_room() -> int | None:
    """Memory of the smallest GPU, bytes; None where NVIDIA's driver does not say."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_PATIENCE
        )
        return min(int(line) for line in said.stdout.split()) << 20
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def lanes(task: int = 0) -> int:
    """How many steps compute at once on this machine.

    The operations of a small network are too short to share: two steps on half of the cores each
    get a third more done than one after the other on all of them. A GPU takes one step at a time.

    Args:
        task: Memory that the largest of them may need, bytes; without a GPU two must fit.
    """
    if found := gpus():
        return min(len(found), _MOST_LANES)
    return 1 if cores() < 2 or 2 * task > room() else _MOST_LANES


def _memory_limit(limits: Path) -> float:
    """Bytes that a container may use, by the second version of cgroups or the first."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            return int((limits / name).read_text())  # "max" where there is no limit
    return math.inf
