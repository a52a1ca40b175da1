"""Turns of the tasks of one machine: which of those that wait computes next.

A *lane* is a file that a task locks while it computes; there are as many as tasks may compute at
once. A task that waits for one holds a *ticket*, a file whose name says how urgent it is, and takes
a free lane only when no ticket is more urgent. A ticket is locked by its owner: one that nobody has
locked is that of a task which was killed.

The order changes no result, but how long a lane stands empty. A run is short when what others wait
for is done first, and when the fraction that is ahead is finished first, so that the next begins.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_LOOK = 0.05
"""Seconds between two looks for a free lane."""


def urgency(*, patient: bool, fraction: float) -> str:
    """A text by which tasks are sorted, the most urgent first.

    Args:
        patient: Whether the task lets others go first: many like it wait, and little waits for it.
        fraction: Fraction of the real data that it works on, 0 where it works for all.
    """
    return f"{int(patient)}-{fraction:.6f}-{time.time_ns():020d}-{os.getpid()}"


@contextlib.contextmanager
def lane(folder: Path, urgent: str) -> Iterator[None]:
    """Hold a lane, one of the files of a folder, from when it is this task's turn.

    Args:
        folder: The lanes; the tickets lie in a folder beside it.
        urgent: How urgent the task is, as `urgency` says.
    """
    waiting = folder.with_name(f"{folder.name}-waiting")
    waiting.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        lanes = [stack.enter_context(path.open("w")) for path in sorted(folder.iterdir())]
        with _ticket(waiting / urgent) as ticket:
            while _overtaken(ticket) or not any(_taken(one) for one in lanes):
                time.sleep(_LOOK)
        yield


@contextlib.contextmanager
def _ticket(path: Path) -> Iterator[Path]:
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _overtaken(ticket: Path) -> bool:
    """Whether a more urgent task waits; tickets that nobody holds are removed."""
    for other in sorted(ticket.parent.iterdir()):
        if other.name >= ticket.name:
            return False
        with contextlib.suppress(FileNotFoundError), other.open() as stream:
            if not _taken(stream):
                return True
            other.unlink()
    return False


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
