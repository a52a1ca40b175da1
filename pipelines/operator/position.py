"""How far a log has been read, so that the reading can go on there.

Kubernetes gives a log's lines from a whole second on, each with its time where that is asked for.
So when a log is opened again, the lines of the last seconds come once more, and are told from new
ones by their times and their words.
"""

import re
from collections import Counter
from datetime import UTC, datetime

_TIMED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)(?: |$)")
_KEPT = 2
"""Seconds with lines that are remembered: output and errors are written down side by side."""


class Position:
    """A place in a log whose lines begin with their times."""

    def __init__(self) -> None:
        """Begin at the beginning of a log."""
        self._seen: dict[datetime, Counter[str]] = {}
        self._again: Counter[str] = Counter()
        self._untimed: set[str] = set()

    @property
    def since(self) -> str:
        """The second from which lines are to be read next, in UTC; empty for all."""
        first = min(self._seen, default=None)
        return f"{first:%Y-%m-%dT%H:%M:%SZ}" if first is not None else ""

    def reopen(self) -> None:
        """Begin to read again, from `since` on."""
        self._again = sum(self._seen.values(), Counter())

    def fresh(self, line: str) -> str | None:
        """What a line says, without its time; None if it has come before."""
        timed = _TIMED.match(line)
        if timed is None:
            # Kubernetes' own words about the log, which it says again whenever it is opened.
            known = line in self._untimed
            self._untimed.add(line)
            return None if known else line
        if self._again[line] > 0:
            self._again[line] -= 1
            return None
        self._remember(timed, line)
        return line[timed.end() :]

    def _remember(self, timed: re.Match[str], line: str) -> None:
        second = datetime.fromisoformat(timed[1] + timed[2]).astimezone(UTC)
        if second not in self._seen:
            if len(self._seen) >= _KEPT and second < min(self._seen):
                return  # It does not come again.
            self._seen[second] = Counter()
            for old in sorted(self._seen)[:-_KEPT]:
                del self._seen[old]
        self._seen[second][line] += 1
