"""Cron expressions: read, moved to another time zone, and written as KFP wants them.

KFP 2.17 reads six fields, seconds first, with robfig/cron 1.2. Given the usual five it takes the
first for the seconds and runs every hour instead of every day, without a word; it knows neither 7
for Sunday nor a time zone in the expression (`CRON_TZ=`). All its schedules are in one zone, that
of its scheduled-workflow controller (`CRON_SCHEDULE_TIMEZONE`, UTC by default).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from pipelines.refusal import Refusal

_MONTHS = dict(
    zip("jan feb mar apr may jun jul aug sep oct nov dec".split(), range(1, 13), strict=True)
)
_DAYS = dict(zip("sun mon tue wed thu fri sat".split(), range(7), strict=True))
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_YEARS = 5
_DAY = 24 * 60


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        values: What it allows.
        any: Whether it starts with `*`; then the day fields are combined by and, not by or.
    """

    values: frozenset[int]
    any: bool


@dataclass(frozen=True)
class Cron:
    """A cron expression of whole minutes.

    Attributes:
        minute: 0 to 59.
        hour: 0 to 23.
        day: Days of the month, 1 to 31.
        month: 1 to 12.
        weekday: 0 (Sunday) to 6.
    """

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    def on(self, day: date) -> bool:
        """Whether there is a run on a day."""
        in_month = day.day in self.day.values
        in_week = day.isoweekday() % 7 in self.weekday.values
        either = (in_month and in_week) if self.day.any or self.weekday.any else in_month or in_week
        return day.month in self.month.values and either

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times of runs after a moment, in its time zone, as far as five years ahead."""
        zone = moment.tzinfo
        day = moment.date()
        end = day + timedelta(days=366 * _YEARS)
        while day < end:
            if self.on(day):
                for hour in sorted(self.hour.values):
                    for minute in sorted(self.minute.values):
                        at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                        # An hour that the clock skips in spring does not come.
                        exists = at.astimezone(UTC).astimezone(zone).hour == hour
                        if exists and at > moment:
                            yield at
            day += timedelta(days=1)

    def for_kfp(self) -> str:
        """The expression with six fields."""
        fields = zip(
            (self.minute, self.hour, self.day, self.month, self.weekday),
            ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6)),
            strict=True,
        )
        return " ".join(["0", *(_written(field, low, high) for field, (low, high) in fields)])


def parse(text: str) -> Cron:
    """Read a cron expression.

    Args:
        text: Five fields (minute, hour, day of the month, month, day of the week), six with the
            seconds 0 first, or a name as `@daily`.

    Raises:
        Refusal: If it is none, or its time never comes.
    """
    words = _NAMED.get(text.strip().lower(), text).split()
    if len(words) == 6 and words[0] == "0":
        words = words[1:]
    if text.strip().startswith(("CRON_TZ=", "TZ=")):
        raise Refusal(f"--cron {text!r}: KFP reads no time zone there; give it as --time-zone")
    if len(words) != 5:
        raise Refusal(
            f"--cron {text!r}: give five fields, minute, hour, day of the month, month and day of "
            "the week, as '0 3 * * mon-fri', or one of " + ", ".join(sorted(_NAMED))
        )
    problems: list[str] = []
    fields = []
    for word, (name, low, high, names) in zip(words, _FIELDS, strict=True):
        try:
            fields.append(_field(word, low, high, names))
        except ValueError as error:
            problems.append(f"--cron {text!r}: {name}: {error}")
    if problems:
        raise Refusal("\n".join(problems))
    weekday = fields[4]
    sunday = frozenset(value % 7 for value in weekday.values)
    cron = Cron(fields[0], fields[1], fields[2], fields[3], Field(sunday, weekday.any))
    if next(cron.after(datetime(2025, 1, 1, tzinfo=UTC)), None) is None:
        raise Refusal(f"--cron {text!r}: this time never comes")
    return cron


def zone(name: str, option: str) -> ZoneInfo:
    """A time zone by its name in the IANA database.

    Raises:
        Refusal: If there is none of this name.
    """
    try:
        return ZoneInfo(name)
    # For a name that it does not find it raises a KeyError.
    except (KeyError, OSError, ValueError) as error:
        raise Refusal(
            f"{option} {name}: is no time zone; write it as Europe/Berlin, America/Chicago or UTC"
        ) from error


def moved(cron: Cron, wanted: ZoneInfo, server: ZoneInfo, standard: bool, now: datetime) -> Cron:
    """The same times, on a server's clock.

    Args:
        cron: Times on the clock of `wanted`.
        wanted: The time zone meant.
        server: The time zone of the server's schedules.
        standard: Whether to keep to standard time all year round where summer time cannot be
            followed.
        now: Offsets are compared for two years from here.

    Raises:
        Refusal: If one expression on the server's clock cannot say the same.
    """
    if wanted.key == server.key:
        return cron
    differences = _differences(wanted, server, now)
    if standard:
        differences = {_standard(wanted, server, now)}
    first, *others = {_shifted(cron, -minutes) for minutes in differences}
    if first is None or others:
        summer = len(differences) > 1
        why = (
            f"{wanted.key} and {server.key} are not always equally far apart (summer time)"
            if summer
            else f"on the clock of {server.key} it would need several expressions"
        )
        raise Refusal(
            f"--time-zone {wanted.key}: KFP keeps all schedules on one clock, here "
            f"{server.key}, and {why}. Either let the installation run on {wanted.key} "
            "(cronScheduleTimezone in its ConfigMap pipeline-install-config, then restart "
            "deployment/ml-pipeline-scheduledworkflow) and give --server-time-zone "
            f"{wanted.key}"
            + (", or keep to standard time all year with --standard-time" if summer else "")
            + f", or write the expression in {server.key}"
        )
    return first


def _differences(wanted: ZoneInfo, server: ZoneInfo, now: datetime) -> set[int]:
    hours = (now + timedelta(hours=6 * step) for step in range(4 * 366 * 2))
    return {_minutes(wanted, hour) - _minutes(server, hour) for hour in hours}


def _standard(wanted: ZoneInfo, server: ZoneInfo, now: datetime) -> int:
    """The difference while neither has summer time, else without it."""

    def offset(place: ZoneInfo) -> int:
        days = (now + timedelta(days=day) for day in range(366))
        return next(
            (_minutes(place, day) for day in days if not day.astimezone(place).dst()),
            _minutes(place, now),
        )

    return offset(wanted) - offset(server)


def _minutes(place: tzinfo, moment: datetime) -> int:
    offset = moment.astimezone(place).utcoffset()
    return 0 if offset is None else int(offset.total_seconds() // 60)


def _shifted(cron: Cron, minutes: int) -> Cron | None:
    """The expression for times so many minutes later; None if one cannot say it."""
    if minutes == 0:
        return cron
    moved = [
        divmod(hour * 60 + minute + minutes, _DAY)
        for hour in cron.hour.values
        for minute in cron.minute.values
    ]
    times = {time for _, time in moved}
    hours, within = {time // 60 for time in times}, {time % 60 for time in times}
    if len(times) != len(hours) * len(within):
        return None
    days = {day for day, _ in moved}
    daily = all(len(one.values) == size for one, size in ((cron.day, 31), (cron.month, 12)))
    weekday = cron.weekday
    if not daily or len(weekday.values) < 7:
        if len(days) > 1:
            return None
        (by,) = days
        if by and not daily:
            return None
        weekday = Field(frozenset((day + by) % 7 for day in weekday.values), weekday.any)
    return Cron(
        Field(frozenset(within), len(within) == 60),
        Field(frozenset(hours), len(hours) == 24),
        cron.day,
        cron.month,
        weekday,
    )


def _field(word: str, low: int, high: int, names: dict[str, int]) -> Field:
    allowed: set[int] = set()
    if word[0] in "*?" and "," in word:
        raise ValueError(f"{word!r} mixes * with other values; leave out either")
    for part in word.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, 1, high, {}) if slash else 1
        if span in ("*", "?"):
            first, last = low, min(high, 6) if names is _DAYS else high
        else:
            start, dash, stop = span.partition("-")
            first = _number(start, low, high, names)
            last = _number(stop, low, high, names) if dash else first
            if slash and not dash:
                last = high
            if first > last:
                raise ValueError(f"{part!r} goes backwards; write it as two parts with a comma")
        allowed.update(range(first, last + 1, step))
    return Field(frozenset(allowed), word[0] in "*?")


def _number(text: str, low: int, high: int, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch(r"[0-9]{1,2}", text) or not low <= int(text) <= high:
        raise ValueError(f"{text!r} is not from {low} to {high}")
    return int(text)


def _written(field: Field, low: int, high: int) -> str:
    values = sorted(field.values)
    if field.any and len(values) == high - low + 1:
        return "*"
    # With a star day of the month and day of the week must both fit, without one either.
    if field.any and len(values) > 1:
        step = values[1] - values[0]
        if values == list(range(low, high + 1, step)):
            return f"*/{step}"
    parts: list[str] = []
    start = previous = values[0]
    for value in [*values[1:], -1]:
        if value == previous + 1:
            previous = value
            continue
        parts.append(str(start) if start == previous else f"{start}-{previous}")
        start = previous = value
    return ",".join(parts)
