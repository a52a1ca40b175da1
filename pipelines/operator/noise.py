"""What KFP and Argo print into a step's log, so that the step's own words can be read alone.

Before a step says anything KFP prints all its inputs, and afterwards all its outputs, each over
many lines. Their warnings and errors stay.
"""

import re
from collections.abc import Iterable, Iterator

_LINE = re.compile(
    r"time=\S+ level=INFO msg=.* argo=true\b.*"
    r"|I\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w./-]+\.go:\d+\] .*"
    # Numbers are no file; KFP keeps them elsewhere.
    r"|W\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ launcher_v2\.go:\d+\] "
    r'Local filepath "\S+/metrics" does not exist'
    r"|\[KFP Executor [^\]]* INFO\]: .*"
)
_OPENS = ("Got executor_input:", "ExecutorOutput: {")


class Filter:
    """Tells a step's own lines from the others, line by line."""

    def __init__(self) -> None:
        """Begin at the beginning of a log."""
        self._inside = False
        self._announced = False

    def keeps(self, line: str) -> bool:
        """Whether the next line is the step's own."""
        if self._inside:
            self._inside = line != "}"
            return False
        if _LINE.fullmatch(line):
            self._announced = line.endswith(_OPENS[0])
            self._inside = line.endswith(_OPENS[1])
            return False
        self._inside, self._announced = self._announced and line == "{", False
        return not self._inside


def own(lines: Iterable[str]) -> Iterator[str]:
    """A log without what KFP and Argo say in it as a matter of course."""
    return filter(Filter().keeps, lines)
