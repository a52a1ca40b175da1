"""What of this machine a run may use, and how many steps compute on it at once."""

import contextlib
import math
import os
from pathlib import Path

_LIMITS = Path("/sys/fs/cgroup")


def accelerated() -> bool:
    """Whether there is an NVIDIA GPU; a container may have been given any of several."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def cores(limits: Path = _LIMITS) -> int:
    """How many cores a run may use.

    A container with a limit sees all cores of its machine, but threads on more of them than it has
    time for only stop each other.

    Args:
        limits: Where Linux keeps the limits of the container that this process is in.
    """
    return max(1, math.floor(min(len(os.sched_getaffinity(0)), _limit(limits))))


def room(limits: Path = _LIMITS) -> int:
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


def _limit(limits: Path) -> float:
    """Cores' worth of time that a container has, by the second version of cgroups or the first."""
    with contextlib.suppress(OSError, ValueError):
        time, period = (limits / "cpu.max").read_text().split()  # "max" where there is no limit
        return int(time) / int(period)
    with contextlib.suppress(OSError, ValueError):
        time, period = ((limits / "cpu" / f"cpu.cfs_{name}_us").read_text()
                        for name in ("quota", "period"))  # fmt: skip
        if int(time) > 0:  # -1 where there is no limit
            return int(time) / int(period)
    return math.inf
