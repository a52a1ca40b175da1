"""Schedules (KFP's recurring runs), each known by its name.

KFP cannot change a recurring run, and allows several of one name. Here a name stands for one
schedule: a change makes the new one paused, stops the old one, starts the new one and removes the
old one. So there are never two that run. An interruption leaves a paused spare, which the next call
removes; one between the stop and the start leaves both paused, and the same call again, or
`resume`, lets the new one go on. What is no such spare is never removed unasked.
"""

import contextlib
from dataclasses import dataclass, replace
from shlex import quote

from pipelines.operator import recurring
from pipelines.operator.failure import ServerRefusal
from pipelines.operator.recurring import Recurring, Schedule
from pipelines.operator.server import Server
from pipelines.refusal import SERVER, Refusal


@dataclass(frozen=True)
class Found:
    """A schedule on the server.

    Attributes:
        id: KFP's id of it.
        schedule: What it does.
        spares: Ids of others of the same name, left by interrupted changes, the oldest first.
        before: Id of the schedule that it was made in place of; empty for none.
        stalled: Whether it is paused only because a change was interrupted.
    """

    id: str
    schedule: Schedule
    spares: tuple[str, ...]
    before: str = ""
    stalled: bool = False

    @property
    def wanted_on(self) -> bool:
        """Whether it is on, or would be had no change been interrupted."""
        return self.schedule.enabled or self.stalled


def listed(server: Server) -> list[Found]:
    """All schedules, by name; others of a name that are no spares are listed too."""
    by_name: dict[str, list[Recurring]] = {}
    for one in recurring.listed(server):
        by_name.setdefault(one.schedule.name, []).append(one)
    found = []
    for _, several in sorted(by_name.items()):
        first, others = _told_apart(several)
        found += [first, *(Found(one.id, one.schedule, ()) for one in others)]
    return found


def find(server: Server, name: str) -> Found | None:
    """A schedule by name.

    Raises:
        Refusal: If there are several that nobody here has left; with their ids.
    """
    several = recurring.named(server, name)
    if not several:
        return None
    first, others = _told_apart(several)
    if others:
        here = [first.id, *(one.id for one in others)]
        raise Refusal(
            f"there are {len(here)} schedules {name!r}, and here a name stands for one: keep one, "
            "and remove the others in KFP's UI; they are\n"
            + "\n".join(
                f"  {one.id} ({_state(one)}) {server.link('recurringrun', one.id)}"
                for one in several
                if one.id in here
            )
        )
    return first


def create(server: Server, wanted: Schedule) -> bool:
    """Make a schedule.

    Returns:
        Whether something was done; False where it was there just so.

    Raises:
        Refusal: If there is one of this name that is different.
    """
    found = find(server, wanted.name)
    if found is None:
        made = recurring.make(server, wanted)
        return True if _is_first(server, made, ()) else create(server, wanted)
    different = differences(found.schedule, wanted)
    if different == ["state"] and found.stalled:
        return switch(server, found, enabled=True)
    if different:
        name = quote(wanted.name)
        stalled = (
            f"; it is paused since a change was interrupted: defectory schedule resume "
            f"{name} lets it go on"
        )
        raise Refusal(
            f"schedule {wanted.name!r} is there already, with another {', '.join(different)}: "
            f"defectory schedule change {name} changes it{stalled if found.stalled else ''}"
        )
    return _clean(server, found)


def change(server: Server, found: Found, wanted: Schedule) -> bool:
    """Make a schedule different.

    Returns:
        Whether something was done.

    Raises:
        ServerRefusal: If the server refuses; then the old one goes on, or the message says not.
        Refusal: If somebody else changes it at the same moment.
    """
    different = differences(found.schedule, wanted)
    if not different:
        return _clean(server, found)
    if different == ["state"]:
        return switch(server, found, wanted.enabled)
    made = recurring.make(
        server, replace(wanted, enabled=False), before=found.id, was_on=wanted.enabled
    )
    if not _is_first(server, made, (found.id, *found.spares)):
        raise _at_once(wanted.name)
    if not _is_as_found(server, found):
        recurring.remove(server, made.id)
        raise _at_once(wanted.name)
    try:
        if found.schedule.enabled:
            recurring.switch(server, found.id, False)
        if wanted.enabled:
            recurring.switch(server, made.id, True)
    except BaseException as error:
        if _undone(server, found, made.id) or not isinstance(error, ServerRefusal):
            raise
        raise ServerRefusal(
            f"{error}; {wanted.name!r} may be paused now: defectory schedule resume "
            f"{quote(wanted.name)} lets it go on",
            error.status,
        ) from error
    delete(server, found)
    return True


def switch(server: Server, found: Found, enabled: bool) -> bool:
    """Pause a schedule or let it go on.

    Returns:
        Whether something was done.
    """
    changes = found.schedule.enabled != enabled
    # As long as it is paused and there are spares, they may tell that it is to be on.
    if not enabled:
        _clean(server, found)
    if changes:
        recurring.switch(server, found.id, enabled)
    if enabled:
        _clean(server, found)
    return changes


def delete(server: Server, found: Found) -> None:
    """Remove a schedule; its runs stay, also those that are going on."""
    # Each tells which one it was made in place of, so what is left is known for a spare.
    for identity in (*found.spares, found.id):
        recurring.remove(server, identity)


def differences(one: Schedule, other: Schedule) -> list[str]:
    """What is different between two schedules, in words."""
    named = {
        "time": "expression",
        "time zone": "zone",
        "pipeline": "pipeline_id",
        "version": "version_id",
        "values": "values",
        "catch-up": "catch_up",
        "service account": "service_account",
        "experiment": "experiment_id",
        "state": "enabled",
    }
    return [word for word, field in named.items() if getattr(one, field) != getattr(other, field)]


def _told_apart(several: list[Recurring]) -> tuple[Found, list[Recurring]]:
    """Of one name the schedule with its spares, and those that are none.

    Args:
        several: All of one name, those made last first.
    """
    first, *rest = sorted(several, key=lambda one: not one.schedule.enabled)
    linked = _linked(first, several)
    ours: list[Recurring] = []
    others: list[Recurring] = []
    for one in rest:
        (ours if _is_spare(one, first, linked) else others).append(one)
    left = tuple(one.id for one in reversed(ours))
    mark = first.mark
    stalled = mark is not None and mark.was_on and mark.before in left
    return (
        Found(
            first.id,
            first.schedule,
            left,
            before=mark.before if mark is not None else "",
            stalled=stalled and not first.schedule.enabled,
        ),
        others,
    )


def _is_spare(one: Recurring, first: Recurring, linked: set[str]) -> bool:
    """Whether an interrupted change has left a schedule, so that nobody misses it.

    Such a one is paused and was made here, for the pipeline of the one that stays, unless the
    change was one of the pipeline: then the one tells that it was made in place of the other.
    """
    same = one.schedule.pipeline_id == first.schedule.pipeline_id
    return not one.schedule.enabled and one.mark is not None and (same or one.id in linked)


def _linked(first: Recurring, several: list[Recurring]) -> set[str]:
    """Ids of those that a schedule was made in place of, or that were made in place of it."""
    pairs = [{one.id, one.mark.before} for one in several if one.mark and one.mark.before]
    linked = {first.id}
    for _ in pairs:
        for pair in pairs:
            if pair & linked:
                linked |= pair
    return linked


def _is_first(server: Server, made: Recurring, known: tuple[str, ...]) -> bool:
    """Whether nobody else has made a schedule of the same name meanwhile; else it is removed.

    Args:
        server: Where.
        made: What was made just now.
        known: Ids of those that were there before.

    Raises:
        Refusal: If it cannot be told who was first.
    """
    name = made.schedule.name
    others = [one for one in recurring.named(server, name) if one.id not in (made.id, *known)]
    older = [one for one in others if not _younger(one, made)]
    if not older:
        return True
    recurring.remove(server, made.id)
    if any(one.created == made.created for one in older):
        raise _at_once(name)
    return False


def _is_as_found(server: Server, found: Found) -> bool:
    """Whether nobody has paused, resumed or removed a schedule since it was looked at."""
    return any(
        one.id == found.id and one.schedule.enabled == found.schedule.enabled
        for one in recurring.named(server, found.schedule.name)
    )


def _younger(one: Recurring, than: Recurring) -> bool:
    return one.created is not None and than.created is not None and one.created > than.created


def _at_once(name: str) -> Refusal:
    return Refusal(
        f"somebody else makes or changes schedule {name!r} at the same moment, so this has changed "
        "nothing: look at it with defectory schedule list, and try again",
        SERVER,
    )


def _undone(server: Server, found: Found, made: str) -> bool:
    """Whether a change could be undone: the new one is removed, the old one as it was."""
    with contextlib.suppress(ServerRefusal):
        # Removed before the old one starts: it may run, and only the answer have been lost.
        recurring.remove(server, made)
        if found.schedule.enabled:
            recurring.switch(server, found.id, True)
        return True
    return False


def _clean(server: Server, found: Found) -> bool:
    for identity in found.spares:
        recurring.remove(server, identity)
    return bool(found.spares)


def _state(one: Recurring) -> str:
    where = "" if one.mark is not None else ", not made here"
    return f"{'on' if one.schedule.enabled else 'paused'}{where}"
