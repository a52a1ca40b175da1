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


def own(lines: Iterable[str]) -> Iterator[str]:
    """A log without what KFP and Argo say in it as a matter of course."""
    inside = False
    announced = False
    for line in lines:
        if inside:
            inside = line != "}"
            continue
        if _LINE.fullmatch(line):
            announced = line.endswith(_OPENS[0])
            inside = line.endswith(_OPENS[1])
            continue
        inside, announced = announced and line == "{", False
        if not inside:
            yield line
