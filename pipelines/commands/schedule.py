"""`defectory schedule`: runs on a Kubeflow server at set times."""

import argparse
import sys
from typing import TYPE_CHECKING

from pipelines.commands.columns import columns
from pipelines.commands.options import add_connection, add_pipeline
from pipelines.commands.times import add_times, check_times, clock, expression, next_times
from pipelines.refusal import Refusal

if TYPE_CHECKING:
    from pipelines.operator.schedules import Found
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

A schedule never runs twice at once, also where it is changed or made anew while a run of it goes on
(unless --while-running is given), and does not make up for runs that it missed unless told to
(--catch-up). A run whose data, code and settings equal those of the last successful one ends at
once, without GPU work, and says so; --set skip_unchanged=false turns that off. A branch given as
--revision stays a branch: every run takes its newest commit.

Times. KFP keeps all schedules on one clock, that of the installation (UTC, unless its ConfigMap
pipeline-install-config says otherwise in cronScheduleTimezone). Times in another --time-zone are
converted where that can be done exactly, and refused where it cannot, that is mostly where there
is summer time. If the installation's clock is not UTC, say so with --server-time-zone or in
DEFECTORY_SERVER_TIME_ZONE; the API does not tell."""

CHANGES = ("create", "change")
STARTS = (*CHANGES, "resume")


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
            add_times(one, required=name == "create")
            add_pipeline(one)
            _add_more(one)
        if name in STARTS:
            one.add_argument(
                "--while-running", action="store_true",
                help="start it even while a run of it is going on, beside which another may start",
            )  # fmt: skip
        add_connection(one)


def _add_more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--experiment", metavar="NAME", default="",
        help="experiment to put its runs in; a new schedule's are in defectory",
    )  # fmt: skip
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


def main(chosen: argparse.Namespace) -> int:
    """Do what is asked, and say what was done."""
    _check(chosen)

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
    resumed = chosen.what == "resume"
    if resumed and not found.schedule.enabled:
        # Those of its own id KFP counts itself.
        _let_end(server, chosen, found, but_of=found.id)
    done = schedules.switch(server, found, enabled=resumed)
    state = "goes on" if resumed else "is paused"
    _say(f"schedule {chosen.name!r} {state}{'' if done else ' already'}")
    return 0


def _check(chosen: argparse.Namespace) -> None:
    """Tell of what cannot be before anything is asked of a server.

    Raises:
        Refusal: With the first problem.
    """
    from pipelines.operator import limits

    if chosen.what == "create":
        limits.check_name(limits.SCHEDULE, chosen.name)
    elif chosen.what != "list":
        # Others may have made it, under a name that is none here.
        limits.check_text(f"NAME {chosen.name!r}", chosen.name)
    if chosen.what not in CHANGES:
        return
    if chosen.experiment:
        limits.check_name(limits.EXPERIMENT, chosen.experiment)
    if chosen.service_account:
        limits.check_name(limits.SERVICE_ACCOUNT, chosen.service_account)
    check_times(chosen)


def _let_end(
    server: "Server", chosen: argparse.Namespace, found: "Found | None", *, but_of: str
) -> None:
    """Start nothing beside a run that is going on, unless that is wanted.

    Args:
        server: Where.
        chosen: The arguments.
        found: The schedule as it is; None where there is none of this name.
        but_of: Id of the recurring run that goes on, whose runs KFP counts; empty for none.

    Raises:
        Refusal: If a run is going on.
    """
    from pipelines.operator import history

    if chosen.while_running:
        return
    going = history.going(server, chosen.name, found, but_of=but_of)
    if going:
        paused = "" if chosen.what == "resume" else "give --paused (and resume later), or "
        raise Refusal(
            f"a run of {chosen.name!r} is going on ({server.link('runs', going[0].run_id)}), and "
            "KFP would not count it, so that two might run at once: wait for it, or "
            f"{paused}give --while-running"
        )


def _create(server: "Server", chosen: argparse.Namespace, found: "Found | None") -> int:
    from dataclasses import replace

    from pipelines.names import SERVICE_ACCOUNT
    from pipelines.operator import runs, schedules
    from pipelines.operator.choice import chosen_values, chosen_version, room
    from pipelines.operator.recurring import Schedule

    pipeline, version = chosen_version(server, chosen.pipeline, chosen.version)
    known, values, _ = chosen_values(
        version.pipeline_spec, chosen.changes, chosen.data, chosen.revision, pinning=False
    )
    if warning := room(version.pipeline_spec, known, values):
        sys.stderr.write(f"{warning}\n")
    if "skip_unchanged" in known:
        values.setdefault("skip_unchanged", True)
    zone = chosen.time_zone or "UTC"
    clock_name = clock(chosen, found.schedule.clock if found is not None else "")
    version_id = "" if chosen.latest else version.pipeline_version_id
    if found is not None and not (chosen.version or chosen.latest):
        # Which version is the newest may have changed since; that is no other schedule.
        version_id = found.schedule.version_id
    wanted = Schedule(
        name=chosen.name,
        cron=chosen.cron,
        zone=zone,
        standard=bool(chosen.standard_time),
        expression=expression(chosen.cron, zone, clock_name, standard=bool(chosen.standard_time)),
        pipeline_id=pipeline.pipeline_id,
        version_id=version_id,
        values=values,
        catch_up=bool(chosen.catch_up),
        enabled=not chosen.paused,
        service_account=chosen.service_account or SERVICE_ACCOUNT,
        clock=clock_name,
        experiment_id=found.schedule.experiment_id if found is not None else "",
    )
    if found is not None and not chosen.paused:
        wanted = replace(wanted, enabled=found.wanted_on)
    coming = next_times(wanted, clock_name)
    if wanted.enabled and (found is None or not found.schedule.enabled):
        _let_end(server, chosen, found, but_of=found.id if found is not None else "")
    if found is None:
        where = runs.experiment(server, chosen.experiment or runs.EXPERIMENT)
        wanted = replace(wanted, experiment_id=where)
    elif chosen.experiment:
        wanted = replace(wanted, experiment_id=runs.find_experiment(server, chosen.experiment))
    done = schedules.create(server, wanted)
    state = "is made" if done else "is there already"
    _say(f"schedule {chosen.name!r} {state}{'' if wanted.enabled else ', paused'}")
    _say(coming)
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
        clock_name = clock(chosen, before.clock)
        wanted = replace(
            wanted, cron=cron, zone=zone, standard=standard, clock=clock_name, every=0,
            expression=expression(cron, zone, clock_name, standard=standard),
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
    if chosen.experiment:
        wanted = replace(wanted, experiment_id=runs.experiment(server, chosen.experiment))
    different = schedules.differences(before, wanted)
    remade = different not in ([], ["state"])
    if remade and wanted.every:
        raise Refusal(
            f"schedule {before.name!r} runs every {wanted.every} s, as only KFP's UI can make one, "
            "and a change would have to make it anew: give --cron as well"
        )
    if different and wanted.enabled:
        # Of the one that is made KFP knows no runs yet.
        _let_end(server, chosen, found, but_of="" if remade else found.id)
    coming = next_times(wanted, clock(chosen, wanted.clock)) if wanted.zone != "?" else ""
    if not wanted.experiment_id:
        wanted = replace(wanted, experiment_id=runs.experiment(server, runs.EXPERIMENT))
    done = schedules.change(server, found, wanted)
    what = f"changed: {', '.join(different)}" if done and different else "is so already"
    _say(f"schedule {before.name!r} {what}{'' if wanted.enabled else ' (paused)'}")
    if coming:
        _say(coming)
    return 0


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
