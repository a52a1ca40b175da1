"""Progress of long loops as plain lines with a rate and a remaining time.

Steps run in processes of their own whose output is a log, on a laptop as on a cluster, so a
bar that redraws itself is of no use: a line every few seconds is.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

from tqdm import tqdm

MARK = "» "
"""Lines for people start with this; `defectory run` shows them and keeps the rest in its log."""

LABEL = "DEFECTORY_LABEL"
"""Environment variable with the name of the running task, put in front of every line."""

T = TypeVar("T")

_CURSOR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""What a bar inside another one writes to move the cursor."""


class _Lines:
    """A text stream that turns tqdm's redrawn bar into lines, one for every count."""

    def __init__(self) -> None:
        self._count = ""

    def write(self, text: str) -> None:
        line = _CURSOR.sub("", text).strip("\r\n ")
        # A bar is drawn once more at its end, and when one inside it ends.
        count = line.partition(",")[0]
        if line and count != self._count:
            self._count = count
            say(line)

    def flush(self) -> None:
        sys.stdout.flush()


class Transfer(tqdm):
    """What a library shows of a transfer by bars of its own, as lines with the bytes.

    A library that counts some bytes once more when they are on disk, and the files beside them, has
    bars for that too; they are not shown.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        counted = options.get("unit") == "B" and not options["desc"].startswith("Reconstruct")
        shown = {
            "mininterval": 5.0,
            "maxinterval": 10.0,
            "delay": 0.001,
            "file": _Lines(),
            "bar_format": "downloading {n_fmt}/{total_fmt}B, {rate_fmt}, {remaining} left",
            "disable": not counted,
        }
        super().__init__(*arguments, **options | shown)


def say(line: str) -> None:
    """Write one line to the person who watches the run."""
    label = os.environ.get(LABEL, "")
    sys.stdout.write(f"{MARK}{label}{'  ' if label else ''}{line}\n")
    sys.stdout.flush()


def track(
    items: Iterable[T],
    what: str,
    *,
    total: int | None = None,
    done: int = 0,
    unit: str = "steps",
    seconds: float = 5.0,
) -> Iterator[T]:
    """Yield `items`, writing a line at most every `seconds` with count, rate and time left.

    Args:
        items: What is still to do.
        what: Name of the loop, for instance `training`.
        total: Number of all items, those already done included; by default `done + len(items)`.
        done: Number of items an earlier, interrupted run has done.
        unit: What one item is called, in the plural.
        seconds: Shortest time between two lines.
    """
    if total is None and isinstance(items, Sized):
        total = done + len(items)
    yield from tqdm(
        items,
        desc=what,
        total=total,
        initial=done,
        unit=f" {unit}",
        mininterval=seconds,
        maxinterval=seconds * 2,
        delay=0.001,
        file=_Lines(),
        bar_format="{desc} {n_fmt}/{total_fmt}{unit}, {rate_noinv_fmt}, {remaining} left",
    )
