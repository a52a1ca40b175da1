"""What of this machine a run may use, and how many steps compute on it at once."""

import contextlib
import math
from pathlib import Path

from components.cores import LIMITS, cores


def accelerated() -> bool:
    """Whether there is an NVIDIA GPU; a container may have been given any of several."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def room(limits: Path = LIMITS) -> int:
    """How much memory a run may use, bytes: what the machine or its container has in all."""
    import psutil

    return int(min(psutil.virtual_memory().total, _memory_limit(limits)))


def lanes(task: int = 0) -> int:
    """How many steps compute at once on this machine.

    The operations of a small network are too short to share: two steps on half of the cores each
    get a third more done than one after the other on all of them. Of an accelerator there is
    one, and KFP's local runner does two tasks of a loop at once at most.

    Args:
        task: Memory that the largest of them may need, bytes; two must fit.
    """
    return 1 if accelerated() or cores() < 2 or 2 * task > room() else 2


def _memory_limit(limits: Path) -> float:
    """Bytes that a container may use, by the second version of cgroups or the first."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            return int((limits / name).read_text())  # "max" where there is no limit
    return math.inf
