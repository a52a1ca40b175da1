"""When a schedule's runs start: the arguments that say it, and what they come to."""

import argparse
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.operator.recurring import Schedule


def add_times(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """`--cron` and the time zones.

    Args:
        parser: Gets the arguments.
        required: Whether an expression must be given.
    """
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
        help="the installation's clock; by default $DEFECTORY_SERVER_TIME_ZONE, or what the "
        "schedule was made with, or UTC",
    )


def check_times(chosen: argparse.Namespace) -> None:
    """Tell of a wrong expression or time zone before anything is asked of a server.

    Raises:
        Refusal: If one is wrong.
    """
    from pipelines.operator.cron import parse, zone

    if chosen.cron:
        parse(chosen.cron)
    if chosen.time_zone:
        zone(chosen.time_zone, "--time-zone")
    zone(clock(chosen), "--server-time-zone")


def clock(chosen: argparse.Namespace, before: str = "") -> str:
    """The time zone of the installation's schedules.

    Args:
        chosen: The arguments.
        before: What it was when the schedule was made; empty where that is not known.
    """
    given = chosen.server_time_zone or os.environ.get("DEFECTORY_SERVER_TIME_ZONE")
    return given or before or "UTC"


def expression(cron: str, zone_name: str, clock_name: str, *, standard: bool) -> str:
    """An expression on the clock of a time zone, as KFP has it on the installation's clock.

    Raises:
        Refusal: If one expression cannot say the same there.
    """
    from datetime import UTC, datetime

    from pipelines.operator.cron import moved, parse, zone

    server = zone(clock_name, "--server-time-zone")
    wanted = zone(zone_name, "--time-zone")
    return moved(parse(cron), wanted, server, standard, datetime.now(UTC)).for_kfp()


def next_times(schedule: "Schedule", clock_name: str) -> str:
    """The next three times, on the clock that was meant, so that a person sees what was done.

    Args:
        schedule: A schedule that was made here.
        clock_name: The time zone of the installation's schedules.
    """
    from datetime import datetime
    from itertools import islice

    from pipelines.operator.cron import parse, zone

    server = zone(clock_name, "--server-time-zone")
    meant = zone(schedule.zone, "--time-zone")
    times = parse(schedule.expression).after(datetime.now(server))
    if schedule.begins is not None or schedule.ends is not None:
        first, last = schedule.begins, schedule.ends
        times = (
            at for at in times if (first is None or at >= first) and (last is None or at <= last)
        )
    shown = [f"{at.astimezone(meant):%a %Y-%m-%d %H:%M}" for at in islice(times, 3)]
    return f"next, {schedule.zone} time: {'; '.join(shown) or 'none'}"
