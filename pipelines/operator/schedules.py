"""Schedules (KFP's recurring runs), each known by its name.

KFP cannot change a recurring run, and allows several of one name. Here a name stands for one
schedule: a change makes the new one paused, stops the old one, starts the new one and removes the
old one. So there are never two that run. An interruption leaves a paused spare, which the next call
removes; one between the stop and the start leaves both paused, and the same call again, or
`resume`, lets the new one go on.
"""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import kfp_server_api

from pipelines.operator import runs
from pipelines.operator.failure import ServerRefusal
from pipelines.operator.parameters import Value, typed
from pipelines.operator.server import Server
from pipelines.operator.versions import equals
from pipelines.refusal import Refusal

_ABOUT = re.compile(r"at '(?P<cron>[^']*)' in (?P<zone>\S+?)(?P<standard> \(standard time\))?, ")
_IN_PLACE = ", in place of one that was on"
"""How the description ends of what a change makes of a schedule that is on: while the one before is
there and both are paused, that change was interrupted."""


@dataclass(frozen=True)
class Schedule:
    """What a schedule is to do.

    Attributes:
        name: Its name.
        cron: The expression as a person wrote it.
        zone: The time zone meant by it.
        standard: Whether summer time is left out of account.
        expression: The expression as KFP has it, on the server's clock.
        pipeline_id: The pipeline to run.
        version_id: Its version; empty for the newest whenever it runs.
        values: Values of the pipeline's parameters.
        catch_up: Whether runs that were missed are made up for.
        enabled: False while it is paused.
        service_account: Kubernetes service account of its runs' pods.
    """

    name: str
    cron: str
    zone: str
    standard: bool
    expression: str
    pipeline_id: str
    version_id: str
    values: Mapping[str, Value]
    catch_up: bool
    enabled: bool
    service_account: str


@dataclass(frozen=True)
class Found:
    """A schedule on the server.

    Attributes:
        id: KFP's id of it.
        schedule: What it does.
        spares: Ids of others of the same name, left by an interrupted change.
        stalled: Whether it is paused only because a change was interrupted.
    """

    id: str
    schedule: Schedule
    spares: tuple[str, ...]
    stalled: bool = False

    @property
    def wanted_on(self) -> bool:
        """Whether it is on, or would be had no change been interrupted."""
        return self.schedule.enabled or self.stalled


def listed(server: Server) -> list[Found]:
    """All schedules, by name."""
    return _grouped(_recurring(server))


def find(server: Server, name: str) -> Found | None:
    """A schedule by name."""
    found = _grouped(_recurring(server, filter=equals("display_name", name)))
    return found[0] if found else None


def create(server: Server, wanted: Schedule, experiment_id: str) -> bool:
    """Make a schedule.

    Returns:
        Whether something was done; False where it was there just so.

    Raises:
        Refusal: If there is one of this name that is different.
    """
    found = find(server, wanted.name)
    if found is None:
        _make(server, wanted, experiment_id)
        return True
    different = differences(found.schedule, wanted)
    if different == ["state"] and found.stalled:
        return switch(server, found, enabled=True)
    if different:
        stalled = (
            f"; it is paused since a change was interrupted: defectory schedule resume "
            f"{wanted.name} lets it go on"
        )
        raise Refusal(
            f"schedule {wanted.name!r} is there already, with another {', '.join(different)}: "
            f"defectory schedule change {wanted.name} changes it{stalled if found.stalled else ''}"
        )
    return _clean(server, found)


def change(server: Server, found: Found, wanted: Schedule, experiment_id: str) -> bool:
    """Make a schedule different.

    Returns:
        Whether something was done.

    Raises:
        ServerRefusal: If the server refuses; then the old one goes on, or the message says not.
    """
    different = differences(found.schedule, wanted)
    if not different:
        return _clean(server, found)
    if different == ["state"]:
        return switch(server, found, wanted.enabled)
    mark = _IN_PLACE if wanted.enabled else ""
    made = _make(server, with_state(wanted, False), experiment_id, mark)
    try:
        if found.schedule.enabled:
            _switch(server, found.id, False)
        if wanted.enabled:
            _switch(server, made, True)
    except BaseException as error:
        if _undone(server, found, made) or not isinstance(error, ServerRefusal):
            raise
        raise ServerRefusal(
            f"{error}; {wanted.name!r} may be paused now: defectory schedule resume "
            f"{wanted.name} lets it go on",
            error.status,
        ) from error
    for identity in (found.id, *found.spares):
        _remove(server, identity)
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
        _switch(server, found.id, enabled)
    if enabled:
        _clean(server, found)
    return changes


def delete(server: Server, found: Found) -> None:
    """Remove a schedule; its runs stay, also those that are going on."""
    for identity in (found.id, *found.spares):
        _remove(server, identity)


def active(server: Server, found: Found) -> list[Any]:
    """Runs of a schedule that have not ended."""
    started = [
        run
        for identity in (found.id, *found.spares)
        for run in runs.listed(server, limit=50, recurring_run_id=identity)
    ]
    return [run for run in started if run.state not in runs.FINAL]


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
        "state": "enabled",
    }
    return [word for word, field in named.items() if getattr(one, field) != getattr(other, field)]


def _recurring(server: Server, **query: str) -> list[Any]:
    scope = {"namespace": server.namespace} if server.namespace else {}
    found = server.pages(
        "listing schedules",
        server.api.recurring_runs.recurring_run_service_list_recurring_runs,
        "recurring_runs",
        sort_by="created_at desc",
        **scope,
        **query,
    )
    return list(found)


def _grouped(recurring: list[Any]) -> list[Found]:
    """One entry a name: the one that is enabled, else the newest; the others are spares."""
    by_name: dict[str, list[Any]] = {}
    for one in recurring:
        by_name.setdefault(one.display_name, []).append(one)
    found = []
    for _, several in sorted(by_name.items()):
        several.sort(key=lambda one: one.status != "ENABLED")
        first, *rest = several
        replaces = (first.description or "").endswith(_IN_PLACE)
        found.append(
            Found(
                first.recurring_run_id,
                _read(first),
                tuple(one.recurring_run_id for one in rest),
                stalled=bool(rest) and replaces and first.status != "ENABLED",
            )
        )
    return found


def _read(recurring: Any) -> Schedule:
    trigger = recurring.trigger
    cron = trigger.cron_schedule if trigger is not None else None
    periodic = trigger.periodic_schedule if trigger is not None else None
    expression = cron.cron if cron is not None else ""
    if periodic is not None:
        expression = f"every {periodic.interval_second} s"
    reference = recurring.pipeline_version_reference
    written = _ABOUT.search(recurring.description or "")
    return Schedule(
        name=recurring.display_name,
        cron=written["cron"] if written else expression,
        zone=written["zone"] if written else "?",
        standard=bool(written and written["standard"]),
        expression=expression,
        pipeline_id=(reference.pipeline_id or "") if reference is not None else "",
        version_id=(reference.pipeline_version_id or "") if reference is not None else "",
        values=runs.parameters_of(recurring),
        catch_up=not recurring.no_catchup,
        enabled=recurring.status == "ENABLED",
        service_account=recurring.service_account or "",
    )


def _undone(server: Server, found: Found, made: str) -> bool:
    """Whether a change could be undone: the new one is removed, the old one as it was."""
    with contextlib.suppress(ServerRefusal):
        # Removed before the old one starts: it may run, and only the answer have been lost.
        _remove(server, made)
        if found.schedule.enabled:
            _switch(server, found.id, True)
        return True
    return False


def _make(server: Server, wanted: Schedule, experiment_id: str, mark: str = "") -> str:
    """Make a schedule; its id."""
    when = f"at '{wanted.cron}' in {wanted.zone}{' (standard time)' if wanted.standard else ''}"
    # KFP's UI shows neither version nor parameters of a schedule that has no version of its own.
    what = "" if wanted.version_id else f" the newest version, with {typed(wanted.values)},"
    body = kfp_server_api.V2beta1RecurringRun(
        display_name=wanted.name,
        description=f"{when},{what} by defectory schedule{mark}",
        experiment_id=experiment_id,
        namespace=server.namespace,
        # An empty version stands for the newest whenever it runs; KFP's own client refuses it.
        pipeline_version_reference=kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=wanted.pipeline_id, pipeline_version_id=wanted.version_id or None
        ),
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=dict(wanted.values)),
        trigger=kfp_server_api.V2beta1Trigger(
            cron_schedule=kfp_server_api.V2beta1CronSchedule(cron=wanted.expression)
        ),
        mode=kfp_server_api.RecurringRunMode.ENABLE
        if wanted.enabled
        else kfp_server_api.RecurringRunMode.DISABLE,
        no_catchup=not wanted.catch_up,
        max_concurrency="1",
        service_account=wanted.service_account,
    )
    with server.doing(f"making the schedule {wanted.name!r}"):
        made = server.api.recurring_runs.recurring_run_service_create_recurring_run(body)
    return str(made.recurring_run_id)


def _switch(server: Server, identity: str, enabled: bool) -> None:
    api = server.api.recurring_runs
    with server.doing("resuming the schedule" if enabled else "pausing the schedule"):
        if enabled:
            api.recurring_run_service_enable_recurring_run(recurring_run_id=identity)
        else:
            api.recurring_run_service_disable_recurring_run(recurring_run_id=identity)


def _remove(server: Server, identity: str) -> None:
    with server.doing("removing the schedule"):
        # Runs belong to their schedule in Kubernetes: without ORPHAN those that are going on
        # would be killed with it.
        server.api.recurring_runs.recurring_run_service_delete_recurring_run(
            recurring_run_id=identity, propagation_policy="ORPHAN"
        )


def _clean(server: Server, found: Found) -> bool:
    for identity in found.spares:
        _remove(server, identity)
    return bool(found.spares)


def with_state(schedule: Schedule, enabled: bool) -> Schedule:
    """A schedule, paused or not."""
    return replace(schedule, enabled=enabled)
