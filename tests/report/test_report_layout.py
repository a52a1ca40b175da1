import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.report.layout import Cell, Column, align, between, duration, number, size, table


def test_decimal_points_are_in_line() -> None:
    assert align(["0.12", "0.7585", "7", "–"]) == [
        "0.12\u2007\u2007", "0.7585", "7\u2008\u2007\u2007\u2007\u2007", "–",
    ]  # fmt: skip


@given(st.lists(st.floats(-1e6, 1e6).map(lambda value: f"{value:.3f}"), min_size=1))
def test_columns_of_one_precision_are_left_alone(texts: list[str]) -> None:
    assert align(texts) == texts


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_missing_value_is_a_dash_with_its_reason(value: float | None) -> None:
    made = table("t", [Column("a"), Column("b")],
                 [[number(value, 2, reason="no weights"), number(1.0, 2)],
                  [Cell("–", reason="other"), number(value, 2, reason="no weights")]])  # fmt: skip
    assert [[cell.mark for cell in row] for row in made.rows] == [["a", ""], ["b", "a"]]
    assert made.reasons == [("a", "no weights"), ("b", "other")]
    assert made.rows[0][0].text == "–"


def test_rows_that_do_not_fit_the_head_are_refused() -> None:
    with pytest.raises(ValueError, match="2 cells"):
        table("t", [Column("a"), Column("b")], [[Cell("1")]])


def test_numbers_for_people() -> None:
    assert number(-0.0004, 3).text == "0.000"
    assert number(-0.12, 2, interval=(-0.3, 0.1)).under == "−0.30 to 0.10"
    assert between((0.1, 0.2), 2) == "0.10–0.20"
    assert between((None, 0.2), 2) == ""
    assert [duration(one) for one in (8.21, 200, 7500)] == ["8.2 s", "3 min 20 s", "2 h 05 min"]
    assert [size(one) for one in (640 * 2**20, 1.5 * 2**30)] == ["640 MiB", "1.5 GiB"]


def test_neighbours_with_one_group_share_its_heading() -> None:
    columns = [Column("x"), Column("here", "IoU"), Column("paper", "IoU"), Column("here", "HD")]
    made = table("t", columns, [[Cell("1")] * 4])
    assert made.groups == [("", 1), ("IoU", 2), ("HD", 1)]
