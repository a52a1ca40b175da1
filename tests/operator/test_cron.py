from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kfp_checks import check_cron

from pipelines.operator.cron import Cron, moved, parse
from pipelines.refusal import Refusal

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SERVER = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("0 3 * * 7", "0 0 3 * * 0"),
        ("0 3 * * mon-fri", "0 0 3 * * 1-5"),
        ("0 3 * JAN,jul *", "0 0 3 * 1,7 *"),
        ("*/15 * * * *", "0 */15 * * * *"),
        ("5/20 * * * *", "0 5,25,45 * * * *"),
        ("0 3 */2 * 1", "0 0 3 */2 * 1"),
        ("0 3 1 * 0-6", "0 0 3 1 * 0-6"),
        ("0 3 ? * *", "0 0 3 * * *"),
        ("0 0 3 * * *", "0 0 3 * * *"),
        ("@weekly", "0 0 0 * * 0"),
    ],
)
def test_expressions_are_written_as_kfp_reads_them(text: str, written: str) -> None:
    assert parse(text).for_kfp() == written
    check_cron(written)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 3 * *", "five fields"),
        ("30 0 3 * * *", "five fields"),
        ("60 3 * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 3 0 * *", "day of the month"),
        ("0 3 * 13 *", "month"),
        ("0 3 * * 8", "day of the week"),
        ("0 3 * * fri-mon", "backwards"),
        ("0 3 */0 * *", "not from 1"),
        ("0 3 1-2-3 * *", "not from 1"),
        ("0 3 -1 * *", "not from 1"),
        ("0 3 31 feb *", "never comes"),
        ("CRON_TZ=Europe/Berlin 0 3 * * *", "--time-zone"),
        ("@every 1h", "five fields"),
        ("", "five fields"),
    ],
)
def test_what_is_no_expression_is_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        parse(text)


def test_days_of_month_and_week_are_either_or_unless_one_is_a_star() -> None:
    either = parse("0 3 1 * mon")
    both = parse("0 3 */2 * mon")
    june = [datetime(2026, 6, day).date() for day in range(1, 31)]

    assert [day.day for day in june if either.on(day)] == [1, 8, 15, 22, 29]
    assert [day.day for day in june if both.on(day)] == [1, 15, 29]
    assert all(parse("0 3 1 * 0-6").on(day) for day in june)


ZONES = st.sampled_from(
    ["Asia/Tokyo", "Asia/Kolkata", "America/Phoenix", "Pacific/Kiritimati", "Etc/GMT+12", "UTC",
     "Asia/Kathmandu", "Europe/Berlin", "America/New_York"]
)  # fmt: skip


@st.composite
def _expressions(draw: st.DrawFn) -> str:
    def some(low: int, high: int) -> str:
        values = draw(st.lists(st.integers(low, high), min_size=1, max_size=3, unique=True))
        return draw(st.sampled_from(["*", "*/2", ",".join(map(str, sorted(values)))]))

    return f"{some(0, 59)} {some(0, 23)} {some(1, 28)} {some(1, 12)} {some(0, 6)}"


@settings(max_examples=25, deadline=None)
@given(_expressions(), ZONES)
def test_a_moved_expression_means_the_same_moments(text: str, name: str) -> None:
    cron, zone = parse(text), ZoneInfo(name)
    try:
        shifted = parse(moved(cron, zone, SERVER, False, NOW).for_kfp())
    except Refusal:
        return
    begin = datetime(2027, 2, 27, tzinfo=UTC)
    assert _moments(cron, zone, begin) == _moments(shifted, SERVER, begin)


def _moments(cron: Cron, zone: ZoneInfo, begin: datetime) -> list[datetime]:
    """All moments of a month, in which New York changes its clocks."""
    end = begin + timedelta(days=33)
    found = []
    for at in cron.after(begin.astimezone(zone)):
        if at.astimezone(UTC) >= end:
            break
        found.append(at.astimezone(UTC))
    return sorted(found)


def test_refusals_are_not_the_rule() -> None:
    """The property above would hold for code that refuses everything."""
    for text in ("0 3 * * *", "0 3 * * mon", "30 10 1 1 *", "0 9,12 * * *"):
        moved(parse(text), ZoneInfo("America/Phoenix"), SERVER, False, NOW)
    assert moved(parse("0 3 * * 1"), ZoneInfo("Asia/Tokyo"), SERVER, False, NOW).for_kfp() == (
        "0 0 18 * * 0"
    )


def test_summer_time_is_refused_unless_standard_time_will_do() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    with pytest.raises(Refusal, match="summer time"):
        moved(parse("0 3 * * *"), berlin, SERVER, False, NOW)
    for month in (1, 7):
        now = datetime(2026, month, 1, tzinfo=UTC)
        assert moved(parse("0 3 * * *"), berlin, SERVER, True, now).for_kfp() == "0 0 2 * * *"


def test_an_hourly_expression_does_not_mind_summer_time() -> None:
    found = moved(parse("15 * * * *"), ZoneInfo("Europe/Berlin"), SERVER, False, NOW)

    assert found.for_kfp() == "0 15 * * * *"


def test_the_servers_own_zone_is_passed_on() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    assert moved(parse("0 3 1 * *"), berlin, berlin, False, NOW).for_kfp() == "0 0 3 1 * *"


def test_an_hour_that_the_clock_skips_does_not_come() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    times = parse("30 2 * * *").after(datetime(2027, 3, 27, 12, tzinfo=berlin))

    assert [next(times).day for _ in range(2)] == [29, 30]
