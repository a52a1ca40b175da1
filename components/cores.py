"""How many cores a process may use."""

import contextlib
import math
import os
from pathlib import Path

LIMITS = Path("/sys/fs/cgroup")
"""Where Linux keeps the limits of the container that a process is in."""


def cores(limits: Path = LIMITS) -> int:
    """How many cores this process may use, 1 at least.

    A container with a limit sees all cores of its machine, but threads on more of them than it has
    time for only stop each other, and hold as many pictures in memory.

    Args:
        limits: Where Linux keeps the limits of the container that this process is in.
    """
    return max(1, math.floor(min(len(os.sched_getaffinity(0)), _limit(limits))))


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
