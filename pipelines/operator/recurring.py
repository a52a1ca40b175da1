"""Schedules as KFP keeps them: its recurring runs, of which several may have one name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import kfp_server_api

from pipelines.operator import mark, runs
from pipelines.operator.mark import Mark
from pipelines.operator.parameters import Value
from pipelines.operator.predicate import called
from pipelines.operator.server import Server


@dataclass(frozen=True)
class Schedule:
    """What a schedule is to do.

    Attributes:
        name: Its name.
        cron: The expression as a person wrote it.
        zone: The time zone meant by it; `?` where it was not made here.
        standard: Whether summer time is left out of account.
        expression: The expression as KFP has it, on the server's clock; empty for one that runs
            every so many seconds.
        pipeline_id: The pipeline to run.
        version_id: Its version; empty for the newest whenever it runs.
        values: Values of the pipeline's parameters.
        catch_up: Whether runs that were missed are made up for.
        enabled: False while it is paused.
        service_account: Kubernetes service account of its runs' pods.
        clock: The time zone of the server's schedules; empty where it is not known.
        experiment_id: The experiment its runs are put in.
        every: Seconds from one run to the next, for one made in KFP's UI; else 0.
        begins: No run starts before; None for no limit. Only KFP's UI sets it.
        ends: No run starts after; None for no limit. Only KFP's UI sets it.
        root: Where artifacts are kept; empty for KFP's own place. Only KFP's UI sets it.
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
    clock: str = ""
    experiment_id: str = ""
    every: int = 0
    begins: datetime | None = None
    ends: datetime | None = None
    root: str = ""


@dataclass(frozen=True)
class Recurring:
    """A recurring run of KFP.

    Attributes:
        id: KFP's id of it.
        schedule: What it does.
        mark: What its description says; None where it was not made here.
        created: When it was made, as far as KFP says; it counts whole seconds.
    """

    id: str
    schedule: Schedule
    mark: Mark | None
    created: datetime | None


def listed(server: Server) -> list[Recurring]:
    """All recurring runs, those made last first."""
    return _asked(server)


def named(server: Server, name: str) -> list[Recurring]:
    """Those of exactly one name, those made last first."""
    # The server's database may take names for one that differ in case or accents only.
    found = _asked(server, filter=called(name))
    return [one for one in found if one.schedule.name == name]


def make(server: Server, wanted: Schedule, *, before: str = "", was_on: bool = False) -> Recurring:
    """Make a recurring run.

    Args:
        server: Where.
        wanted: What it is to do.
        before: Id of the one that it is made in place of; empty for none.
        was_on: Whether that one is on.

    Raises:
        Refusal: If KFP has no room for it, or the server refuses.
    """
    what = Mark(wanted.cron, wanted.zone, wanted.standard, wanted.clock, before, was_on)
    body = kfp_server_api.V2beta1RecurringRun(
        display_name=wanted.name,
        description=mark.written(what, None if wanted.version_id else wanted.values),
        experiment_id=wanted.experiment_id,
        namespace=server.namespace,
        # An empty version stands for the newest whenever it runs; KFP's own client refuses it.
        pipeline_version_reference=kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=wanted.pipeline_id, pipeline_version_id=wanted.version_id or None
        ),
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(
            parameters=dict(wanted.values), pipeline_root=wanted.root or None
        ),
        trigger=kfp_server_api.V2beta1Trigger(
            cron_schedule=kfp_server_api.V2beta1CronSchedule(
                cron=wanted.expression, start_time=wanted.begins, end_time=wanted.ends
            )
        ),
        mode=kfp_server_api.RecurringRunMode.ENABLE
        if wanted.enabled
        else kfp_server_api.RecurringRunMode.DISABLE,
        no_catchup=not wanted.catch_up,
        max_concurrency="1",
        service_account=wanted.service_account,
    )
    with server.doing(f"making the schedule {wanted.name!r}"):
        return _read(server.api.recurring_runs.recurring_run_service_create_recurring_run(body))


def switch(server: Server, identity: str, enabled: bool) -> None:
    """Pause one, or let it go on."""
    api = server.api.recurring_runs
    with server.doing("resuming the schedule" if enabled else "pausing the schedule"):
        if enabled:
            api.recurring_run_service_enable_recurring_run(recurring_run_id=identity)
        else:
            api.recurring_run_service_disable_recurring_run(recurring_run_id=identity)


def remove(server: Server, identity: str) -> None:
    """Remove one; its runs stay, also those that are going on."""
    with server.doing("removing the schedule"):
        # Runs belong to their schedule in Kubernetes: without ORPHAN those that are going on
        # would be killed with it.
        server.api.recurring_runs.recurring_run_service_delete_recurring_run(
            recurring_run_id=identity, propagation_policy="ORPHAN"
        )


def _asked(server: Server, **query: Any) -> list[Recurring]:
    scope: dict[str, Any] = {"namespace": server.namespace} if server.namespace else {}
    found = server.pages(
        "listing schedules",
        server.api.recurring_runs.recurring_run_service_list_recurring_runs,
        "recurring_runs",
        sort_by="created_at desc",
        **scope,
        **query,
    )
    return [_read(one) for one in found]


def _read(recurring: Any) -> Recurring:
    trigger = recurring.trigger
    cron = trigger.cron_schedule if trigger is not None else None
    periodic = trigger.periodic_schedule if trigger is not None else None
    when = cron if cron is not None else periodic
    every = int(periodic.interval_second or 0) if cron is None and periodic is not None else 0
    expression = (cron.cron or "") if cron is not None else ""
    reference = recurring.pipeline_version_reference
    config = recurring.runtime_config
    said = mark.read(recurring.description)
    schedule = Schedule(
        name=recurring.display_name,
        cron=said.cron if said else expression or f"every {every} s",
        zone=said.zone if said else "?",
        standard=bool(said and said.standard),
        expression=expression,
        pipeline_id=(reference.pipeline_id or "") if reference is not None else "",
        version_id=(reference.pipeline_version_id or "") if reference is not None else "",
        values=runs.parameters_of(recurring),
        catch_up=not recurring.no_catchup,
        enabled=recurring.status == "ENABLED",
        service_account=recurring.service_account or "",
        clock=said.clock if said else "",
        experiment_id=recurring.experiment_id or "",
        every=every,
        begins=runs.moment(when.start_time) if when is not None else None,
        ends=runs.moment(when.end_time) if when is not None else None,
        root=(config.pipeline_root or "") if config is not None else "",
    )
    return Recurring(recurring.recurring_run_id, schedule, said, runs.moment(recurring.created_at))
