"""`defectory schedule`: runs on a Kubeflow server at set times."""

import argparse
import os
import sys
from typing import TYPE_CHECKING

from pipelines.commands.columns import columns
from pipelines.commands.options import add_connection, add_pipeline
from pipelines.refusal import Refusal

if TYPE_CHECKING:
    from pipelines.operator.schedules import Found, Schedule
    from pipelines.operator.server import Server

EXAMPLES = """\
examples:
  defectory schedule create nightly --cron '0 3 * * mon-fri'
  defectory schedule create weekly --cron @weekly --time-zone Asia/Tokyo --latest
  defectory schedule change nightly --cron '30 2 * * *' --set shards=8
  defectory schedule list
  defectory schedule pause nightly
  defectory schedule resume nightly
  defectory schedule delete nightly

A schedule never runs twice at once, and does not make up for runs that it missed unless told to
(--catch-up). A run whose data, code and settings equal those of the last successful one ends at
once, without GPU work, and says so; --set skip_unchanged=false turns that off. A branch given as
--revision stays a branch: every run takes its newest commit.

Times. KFP keeps all schedules on one clock, that of the installation (UTC, unless its ConfigMap
pipeline-install-config says otherwise in cronScheduleTimezone). Times in another --time-zone are
converted where that can be done exactly, and refused where it cannot, that is mostly where there
is summer time. If the installation's clock is not UTC, say so with --server-time-zone or in
DEFECTORY_SERVER_TIME_ZONE; the API does not tell."""

CHANGES = ("create", "change")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = "Makes, changes and removes schedules, each known by its name."
    parser.epilog = EXAMPLES
    what = parser.add_subparsers(
        dest="what", required=True, metavar="create|change|list|pause|resume|delete"
    )
    summaries = {
        "create": "make a schedule; does nothing if it is there just so",
        "change": "change what is given of it, keep the rest",
        "list": "all schedules",
        "pause": "start no more runs",
        "resume": "start runs again",
        "delete": "remove it; its runs stay",
    }
    for name, summary in summaries.items():
        one = what.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".",
            allow_abbrev=False,
        )  # fmt: skip
        if name != "list":
            one.add_argument("name", metavar="NAME", help="name of the schedule")
        if name in CHANGES:
            _add_times(one, required=name == "create")
            add_pipeline(one)
            _add_more(one)
        add_connection(one)


def _add_times(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--cron",
        metavar="EXPRESSION",
        required=required,
        default="",
        help="minute, hour, day of the month, month, day of the week: '0 3 * * mon-fri'; or "
        "@hourly, @daily, @weekly, @monthly",
    )
    parser.add_argument(
        "--time-zone", metavar="ZONE", default="", help="as Europe/Berlin; UTC by default"
    )
    parser.add_argument(
        "--standard-time",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="keep to the zone's standard time all year; in summer runs start an hour later",
    )
    parser.add_argument(
        "--server-time-zone",
        metavar="ZONE",
        default="",
        help="the installation's clock; by default $DEFECTORY_SERVER_TIME_ZONE, or UTC",
    )


def _add_more(parser: argparse.ArgumentParser) -> None:
    version = parser.add_mutually_exclusive_group()
    version.add_argument(
        "--version", metavar="NAME", default="", help="version to run; now the newest by default"
    )
    version.add_argument(
        "--latest", action="store_true", help="whatever version is the newest at every run"
    )
    parser.add_argument(
        "--catch-up",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="make up for every run that was missed",
    )
    parser.add_argument(
        "--paused", action="store_true", help="paused for now; resume lets it start"
    )
    parser.add_argument(
        "--while-running",
        action="store_true",
        help="change it even while a run of it is going on, beside which another may then start",
    )


def main(chosen: argparse.Namespace) -> int:
    """Do what is asked, and say what was done."""
    if chosen.what in CHANGES:
        _check_times(chosen)

    from pipelines.operator import schedules
    from pipelines.operator.access import access
    from pipelines.operator.server import Server

    server = Server(access(chosen))
    if chosen.what == "list":
        _show(server)
        return 0
    found = schedules.find(server, chosen.name)
    if chosen.what == "create":
        return _create(server, chosen, found)
    if found is None:
        if chosen.what == "delete":
            _say(f"there is no schedule {chosen.name!r}; nothing to do")
            return 0
        names = ", ".join(one.schedule.name for one in schedules.listed(server)) or "none"
        raise Refusal(f"no schedule {chosen.name!r} on the server; there are: {names}")
    if chosen.what == "change":
        return _change(server, chosen, found)
    if chosen.what == "delete":
        schedules.delete(server, found)
        _say(f"schedule {chosen.name!r} is removed; its runs stay")
        return 0
    done = schedules.switch(server, found, enabled=chosen.what == "resume")
    state = "goes on" if chosen.what == "resume" else "is paused"
    _say(f"schedule {chosen.name!r} {state}{'' if done else ' already'}")
    return 0


def _check_times(chosen: argparse.Namespace) -> None:
    """Tell of a wrong expression or time zone before anything is asked of a server.

    Raises:
        Refusal: If one is wrong.
    """
    from pipelines.operator.cron import parse, zone

    if chosen.cron:
        parse(chosen.cron)
    if chosen.time_zone:
        zone(chosen.time_zone, "--time-zone")
    zone(_server_zone(chosen), "--server-time-zone")


def _create(server: "Server", chosen: argparse.Namespace, found: "Found | None") -> int:
    from pipelines.names import SERVICE_ACCOUNT
    from pipelines.operator import runs, schedules
    from pipelines.operator.choice import chosen_values, chosen_version, room

    pipeline, version = chosen_version(server, chosen.pipeline, chosen.version)
    known, values, _ = chosen_values(
        version.pipeline_spec, chosen.changes, chosen.data, chosen.revision, pinning=False
    )
    if warning := room(version.pipeline_spec, known, values):
        sys.stderr.write(f"{warning}\n")
    if "skip_unchanged" in known:
        values.setdefault("skip_unchanged", True)
    zone = chosen.time_zone or "UTC"
    version_id = "" if chosen.latest else version.pipeline_version_id
    if found is not None and not (chosen.version or chosen.latest):
        # Which version is the newest may have changed since; that is no other schedule.
        version_id = found.schedule.version_id
    wanted = schedules.Schedule(
        name=chosen.name,
        cron=chosen.cron,
        zone=zone,
        standard=bool(chosen.standard_time),
        expression=_expression(chosen, chosen.cron, zone, standard=bool(chosen.standard_time)),
        pipeline_id=pipeline.pipeline_id,
        version_id=version_id,
        values=values,
        catch_up=bool(chosen.catch_up),
        enabled=not chosen.paused,
        service_account=chosen.service_account or SERVICE_ACCOUNT,
    )
    if found is not None and not chosen.paused:
        wanted = schedules.with_state(wanted, found.wanted_on)
    next_times = _next_times(wanted, _server_zone(chosen))
    done = schedules.create(server, wanted, runs.experiment(server, runs.EXPERIMENT))
    state = "is made" if done else "is there already"
    _say(f"schedule {chosen.name!r} {state}{'' if wanted.enabled else ', paused'}")
    _say(next_times)
    return 0


def _change(server: "Server", chosen: argparse.Namespace, found: "Found") -> int:
    from dataclasses import replace

    from pipelines.operator import runs, schedules
    from pipelines.operator.choice import chosen_values, room, version_by_id

    before = found.schedule
    follows = bool(before.pipeline_id) and not before.version_id
    latest = chosen.latest or (follows and not chosen.version)
    running = replace(before, version_id="") if latest else before
    pipeline, version = version_by_id(server, chosen.pipeline, chosen.version, running)
    known, values, _ = chosen_values(
        version.pipeline_spec, chosen.changes, chosen.data, chosen.revision, pinning=False,
        before=before.values,
    )  # fmt: skip
    if warning := room(version.pipeline_spec, known, values):
        sys.stderr.write(f"{warning}\n")
    wanted = replace(before, values=values, pipeline_id=pipeline, enabled=found.wanted_on)
    times = (chosen.cron, chosen.time_zone, chosen.server_time_zone)
    if any(times) or chosen.standard_time is not None:
        if not chosen.cron and before.zone == "?":
            raise Refusal(f"schedule {before.name!r} was not made here: give --cron as well")
        zone = chosen.time_zone or (before.zone if before.zone != "?" else "UTC")
        cron = chosen.cron or before.cron
        standard = before.standard if chosen.standard_time is None else chosen.standard_time
        wanted = replace(
            wanted, cron=cron, zone=zone, standard=standard,
            expression=_expression(chosen, cron, zone, standard=standard),
        )  # fmt: skip
    if latest:
        wanted = replace(wanted, version_id="")
    elif chosen.version or pipeline != before.pipeline_id:
        wanted = replace(wanted, version_id=version.pipeline_version_id)
    if chosen.catch_up is not None:
        wanted = replace(wanted, catch_up=chosen.catch_up)
    if chosen.paused:
        wanted = replace(wanted, enabled=False)
    if chosen.service_account:
        wanted = replace(wanted, service_account=chosen.service_account)
    different = schedules.differences(before, wanted)
    if different and different != ["state"] and wanted.enabled and not chosen.while_running:
        going = schedules.active(server, found)
        if going:
            raise Refusal(
                f"a run of {before.name!r} is going on ({server.link('runs', going[0].run_id)}), "
                "and KFP would not count it for a changed schedule: wait for it, or give --paused "
                "(and resume later), or --while-running"
            )
    next_times = _next_times(wanted, _server_zone(chosen)) if wanted.zone != "?" else ""
    done = schedules.change(server, found, wanted, runs.experiment(server, runs.EXPERIMENT))
    what = f"changed: {', '.join(different)}" if done and different else "is so already"
    _say(f"schedule {before.name!r} {what}{'' if wanted.enabled else ' (paused)'}")
    if next_times:
        _say(next_times)
    return 0


def _server_zone(chosen: argparse.Namespace) -> str:
    """The installation's clock, given or not."""
    return chosen.server_time_zone or os.environ.get("DEFECTORY_SERVER_TIME_ZONE") or "UTC"


def _expression(chosen: argparse.Namespace, cron: str, zone_name: str, *, standard: bool) -> str:
    from datetime import UTC, datetime

    from pipelines.operator.cron import moved, parse, zone

    server = zone(_server_zone(chosen), "--server-time-zone")
    wanted = zone(zone_name, "--time-zone")
    return moved(parse(cron), wanted, server, standard, datetime.now(UTC)).for_kfp()


def _next_times(schedule: "Schedule", server_zone: str) -> str:
    """The next three times, on the clock that was meant, so that a person sees what was done."""
    from datetime import datetime
    from itertools import islice

    from pipelines.operator.cron import parse, zone

    server = zone(server_zone, "--server-time-zone")
    meant = zone(schedule.zone, "--time-zone")
    times = parse(schedule.expression).after(datetime.now(server))
    shown = [f"{at.astimezone(meant):%a %Y-%m-%d %H:%M}" for at in islice(times, 3)]
    return f"next, {schedule.zone} time: {'; '.join(shown)}"


def _show(server: "Server") -> None:
    from pipelines.operator import schedules
    from pipelines.operator.parameters import typed
    from pipelines.operator.versions import names_of

    found = schedules.listed(server)
    if not found:
        _say("no schedules; defectory schedule create makes one")
        return
    named = names_of(server, [(one.schedule.pipeline_id, one.schedule.version_id) for one in found])
    rows = [("NAME", "STATE", "AT", "TIME ZONE", "PIPELINE", "VERSION", "VALUES")]
    for one in found:
        schedule = one.schedule
        pipeline, version = named[schedule.pipeline_id, schedule.version_id]
        values = typed(schedule.values)
        rows.append(
            (
                schedule.name,
                "on" if schedule.enabled else "paused",
                schedule.cron,
                schedule.zone + (" (standard time)" if schedule.standard else ""),
                pipeline,
                version,
                values,
            )
        )
    sys.stdout.write(columns(rows))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
