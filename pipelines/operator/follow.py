"""Following a run until it ends, with a line for everything that changes."""

import time
from collections.abc import Callable
from typing import Any

from pipelines.operator import runs
from pipelines.operator.failure import ServerRefusal
from pipelines.operator.server import Server

PAUSE = 5.0
"""Seconds between two looks."""

PATIENCE = 600.0
"""Seconds for which a server may be away while a run is followed; upgrades take minutes."""


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
    begun = time.monotonic()
    shown: dict[str, str] = {}
    away: float | None = None
    while True:
        try:
            run = runs.get(server, identity)
        except ServerRefusal as refusal:
            passing = refusal.status in (0, 408, 429) or refusal.status >= 500
            away = away if away is not None else time.monotonic()
            if not passing or time.monotonic() - away > PATIENCE:
                raise
            _tell(shown, "server", "does not answer, trying on", say)
            _wait(begun, limit)
            continue
        if away is not None:
            away = None
            _tell(shown, "server", "answers again", say)
        for step in runs.steps(run):
            _tell(shown, step.name, _line(step), say)
        if run.state in runs.FINAL:
            return run
        _wait(begun, limit)


def _wait(begun: float, limit: float) -> None:
    """Let some time pass, unless it is over."""
    if limit and time.monotonic() - begun > limit:
        raise TimeoutError
    time.sleep(PAUSE)


def _tell(shown: dict[str, str], what: str, line: str, say: Callable[[str], None]) -> None:
    if shown.get(what) != line:
        shown[what] = line
        say(f"{what}  {line}")


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
