"""The runs of a schedule, also those that it started before it was changed or made anew.

Every change makes a new recurring run of KFP in place of the old one, which is removed. Runs keep
the id of the one that started them, and its name as far as Kubernetes could take it: its first 25
small letters, digits and hyphens, five random characters, and a number. By that they are found
again. Schedules that are gone, and whose names differ only in what is left out there, cannot be
told apart.
"""

import re
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import Any

from pipelines.operator import recurring, runs
from pipelines.operator.limits import beginning
from pipelines.operator.schedules import Found
from pipelines.operator.server import Server


def runs_of(
    server: Server, name: str, found: Found | None, *, limit: int, wanted_state: str = ""
) -> list[Any]:
    """Runs of a schedule, the newest first.

    Args:
        server: Where.
        name: Its name.
        found: The schedule as it is now; None where there is none of this name any more.
        limit: The most to return; 0 for all.
        wanted_state: One of KFP's states, or empty for any.
    """
    return list(islice(_started(server, name, found, wanted_state, limit=limit), limit or None))


def going(server: Server, name: str, found: Found | None, *, but_of: str = "") -> list[Any]:
    """Runs of a schedule that have not ended, the newest first.

    Args:
        server: Where.
        name: Its name.
        found: The schedule as it is now; None where there is none of this name.
        but_of: Id of a recurring run whose runs KFP itself counts; empty for none.
    """
    return [
        run
        for run in _started(server, name, found, "", ended=False)
        if run.state not in runs.FINAL and (not but_of or run.recurring_run_id != but_of)
    ]


def _started(
    server: Server,
    name: str,
    found: Found | None,
    wanted_state: str,
    *,
    limit: int = 0,
    ended: bool = True,
) -> Iterator[Any]:
    others = {
        one.id: one.schedule.name for one in recurring.listed(server) if one.schedule.name != name
    }
    begins = beginning(name)
    full = re.compile(rf"{re.escape(begins)}[a-z0-9]{{5}}-\d+-\d+")
    ids = dict.fromkeys([found.id, *found.spares, found.before]) if found is not None else {}
    choices = [("EQUALS", "recurring_run_id", one) for one in ids if one]
    choices.append(("IS_SUBSTRING", "display_name", begins))
    # Where ended runs are of no interest the server leaves them out: there may be thousands.
    state = [] if ended else [("NOT_EQUALS", "state", one) for one in runs.FINAL]
    lists = [
        runs.chosen(server, limit=limit, wanted_state=wanted_state, further=[choice, *state])
        for choice in choices
    ]
    seen: set[str] = set()
    for run in merge(*lists, key=lambda one: one.created_at, reverse=True):
        by_id = run.recurring_run_id in ids
        by_name = full.fullmatch(run.display_name or "") and run.recurring_run_id not in others
        if run.run_id not in seen and run.recurring_run_id and (by_id or by_name):
            seen.add(run.run_id)
            yield run
