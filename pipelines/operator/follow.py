"""Following a run until it ends, with a line for everything that changes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from pipelines.operator import runs
from pipelines.operator.failure import ServerRefusal
from pipelines.operator.server import Server
from pipelines.refusal import Refusal

PAUSE = 5.0
"""Seconds between two looks."""

PATIENCE = 600.0
"""Seconds for which a server may be away while a run is followed; upgrades take minutes."""


TELLING = 3
"""How many looks may be in vain before it is told why."""


class Patience:
    """How long somebody who is asked again and again may give no answer."""

    def __init__(self, who: str, say: Callable[[str], None]) -> None:
        """Take whom it is about, and what is called when it stops answering or answers again."""
        self._who, self._say = who, say
        self._since: float | None = None
        self._missed = 0

    def missed(self, refusal: Refusal) -> None:
        """Note that there was no answer.

        Raises:
            Refusal: This one, once there was none for long.
        """
        self._missed += 1
        if self._since is None:
            self._since = time.monotonic()
            self._say(f"{self._who}  does not answer, trying on")
        elif time.monotonic() - self._since > PATIENCE:
            raise refusal
        if self._missed == TELLING:
            # It may be a login page, which does not pass by itself.
            self._say(f"{self._who}  {refusal}")

    def answered(self) -> None:
        """Note that there was an answer."""
        if self._since is not None:
            self._since, self._missed = None, 0
            self._say(f"{self._who}  answers again")


def follow(
    server: Server,
    identity: str,
    say: Callable[[str], None],
    limit: float = 0.0,
) -> Any:
    """Wait until a run has ended.

    Args:
        server: Where it runs.
        identity: The run's id.
        say: Called with every line of progress.
        limit: Seconds after which to give up waiting; 0 never.

    Returns:
        The run as it ended.

    Raises:
        ServerRefusal: If the server is away for long, or refuses.
        TimeoutError: If the run goes on after `limit`.
    """
    shown: dict[str, str] = {}
    run = None
    for run in looks(server, identity, say, limit):
        for step in runs.steps(run):
            line = _line(step)
            if shown.get(step.name) != line:
                shown[step.name] = line
                say(f"{step.name}  {line}")
    return run


def looks(
    server: Server, identity: str, say: Callable[[str], None], limit: float = 0.0
) -> Iterator[Any]:
    """Look at a run again and again until it has ended.

    Args:
        server: Where it runs.
        identity: The run's id.
        say: Called when the server stops answering, and when it answers again.
        limit: Seconds after which to give up; 0 never.

    Yields:
        The run with its tasks, at last as it ended.

    Raises:
        ServerRefusal: If the server is away for long, or refuses.
        TimeoutError: If the run goes on after `limit`.
    """
    begun = time.monotonic()
    patience = Patience("server", say)
    while True:
        try:
            run = runs.get(server, identity)
        except ServerRefusal as refusal:
            if not (refusal.status in (0, 408, 429) or refusal.status >= 500):
                raise
            patience.missed(refusal)
            _wait(begun, limit)
            continue
        patience.answered()
        yield run
        if run.state in runs.FINAL:
            return
        _wait(begun, limit)


def _wait(begun: float, limit: float) -> None:
    """Let some time pass, unless it is over."""
    if limit and time.monotonic() - begun > limit:
        raise TimeoutError
    time.sleep(PAUSE)


def _line(step: runs.Step) -> str:
    if len(step.states) == 1:
        return step.word
    parts = [f"{step.count('SUCCEEDED', 'SKIPPED')} of {len(step.states)} done"]
    for state in ("RUNNING", "FAILED", "CANCELED"):
        if count := step.count(state):
            parts.append(f"{count} {state.lower()}")
    if count := step.count("PENDING"):
        parts.append(f"{count} {step.waiting}")
    return ", ".join(parts)
