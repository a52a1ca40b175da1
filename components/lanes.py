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
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_LOOK = 0.05
"""Seconds between two looks for a free lane."""

_ASIDE = "."
"""Begins the name of a ticket that is being made."""

_PAUSE = 2.0
"""Seconds that a lane is free before a patient task takes it: the task that follows the one which
has just ended may be more urgent, and takes a moment to start."""


@dataclass(frozen=True)
class Turn:
    """When it is a task's turn.

    Attributes:
        patient: Whether it lets others go first: many like it wait, and little waits for it.
        fraction: Fraction of the real data that it works on, 0 where it works for all.
    """

    patient: bool
    fraction: float

    def ticket(self) -> str:
        """A name by which waiting tasks are sorted, the most urgent first."""
        when = f"{time.time_ns():020d}-{os.getpid()}-{threading.get_ident()}"
        return f"{int(self.patient)}-{self.fraction:.6f}-{when}"


@contextlib.contextmanager
def lane(folder: Path, turn: Turn) -> Iterator[int]:
    """Hold a lane, one of the files of a folder, from when it is this task's turn.

    Gives its number, counted from 0: on a machine with several GPUs each lane has its own.

    Args:
        folder: The lanes; the tickets lie in a folder beside it.
        turn: When that is.
    """
    waiting = folder.with_name(f"{folder.name}-waiting")
    waiting.mkdir(exist_ok=True)
    paths = sorted(folder.iterdir())
    with contextlib.ExitStack() as stack:
        # Their times of change say when they became free.
        lanes = {path: stack.enter_context(path.open("a")) for path in paths}
        with _ticket(waiting / turn.ticket()) as ticket:
            while (mine := _free(ticket, turn, lanes)) is None:
                time.sleep(_LOOK)
        try:
            yield paths.index(mine)
        finally:
            os.utime(mine)


def _free(ticket: Path, turn: Turn, lanes: Mapping[Path, IO[str]]) -> Path | None:
    """The lane that the task has got; None while it must wait."""
    if _overtaken(ticket):
        return None
    for path, file in lanes.items():
        rested = time.time() - path.stat().st_mtime
        if (not turn.patient or rested >= _PAUSE or rested < 0) and _taken(file):
            return path
    return None


@contextlib.contextmanager
def _ticket(path: Path) -> Iterator[Path]:
    aside = path.with_name(f"{_ASIDE}{path.name}")
    with aside.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        # Where others look it is locked from the first: else it would be taken for a killed task's.
        aside.rename(path)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _overtaken(ticket: Path) -> bool:
    """Whether a more urgent task waits; tickets that nobody holds are removed."""
    for other in sorted(ticket.parent.iterdir()):
        if other.name.startswith(_ASIDE):
            continue
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
