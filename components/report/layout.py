"""Tables of the page: cells, missing values with their reasons, decimal points in line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

DASH = "–"
_DIGIT, _POINT = "\u2007", "\u2008"
"""Spaces as wide as a digit and as a full stop, which hold the place of missing decimals."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What stands in it.
        under: A second, smaller line: an interval or a spread.
        reason: Why there is no value; the text then is a dash with a mark, explained below.
        mark: The mark, given when the table is made.
        strong: Whether it is emphasised.
    """

    text: str = ""
    under: str = ""
    reason: str = ""
    mark: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its heading.
        group: Heading that it shares with its neighbours; none when empty.
        number: Whether it holds numbers, whose decimal points are put in line.
        quiet: Whether it stands back, as the paper's figures do.
    """

    name: str
    group: str = ""
    number: bool = True
    quiet: bool = False


@dataclass(frozen=True)
class Table:
    """A table ready for the page; make it with `table`.

    Attributes:
        title: What it shows.
        columns: Its columns.
        groups: (heading, number of columns) over the columns; empty when there are none.
        rows: Its rows, a cell a column.
        reasons: (mark, why a value is missing).
        notes: Sentences below it: protocol, sample sizes, seeds.
    """

    title: str
    columns: Sequence[Column]
    groups: Sequence[tuple[str, int]]
    rows: Sequence[Sequence[Cell]]
    reasons: Sequence[tuple[str, str]]
    notes: Sequence[str]


def table(
    title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], notes: Sequence[str] = ()
) -> Table:
    """Put decimal points in line and give every reason for a missing value a mark.

    Raises:
        ValueError: If a row has another number of cells than there are columns.
    """
    if any(len(row) != len(columns) for row in rows):
        raise ValueError(f"a row of table {title!r} has not the {len(columns)} cells of its head")
    marks: dict[str, str] = {}
    for row in rows:
        for cell in row:
            if cell.reason and cell.reason not in marks:
                marks[cell.reason] = chr(ord("a") + len(marks) % 26)
    aligned = [
        align([row[index].text for row in rows]) if column.number else [r[index].text for r in rows]
        for index, column in enumerate(columns)
    ]
    ready = [
        [
            Cell(aligned[index][number], cell.under, cell.reason, marks.get(cell.reason, ""),
                 cell.strong)
            for index, cell in enumerate(row)
        ]
        for number, row in enumerate(rows)
    ]  # fmt: skip
    groups: list[tuple[str, int]] = []
    for column in columns:
        if groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    named = groups if any(name for name, _ in groups) else []
    reasons = [(mark, reason) for reason, mark in marks.items()]
    return Table(title, columns, named, ready, reasons, [note for note in notes if note])


def align(texts: Sequence[str]) -> list[str]:
    """Numbers of a column padded on the right, so that their decimal points are in line."""
    places = [_decimals(text) for text in texts]
    longest = max((place for place in places if place is not None), default=0)
    padded = []
    for text, place in zip(texts, places, strict=True):
        if place is None or place == longest:
            padded.append(text)
        else:
            padded.append(text + (_POINT if place == 0 else "") + _DIGIT * (longest - place))
    return padded


def number(
    value: float | None, digits: int, *, interval: Sequence[float | None] | None = None,
    under: str = "", reason: str = "", strong: bool = False,
) -> Cell:  # fmt: skip
    """A cell with a number, or a dash with the reason why there is none.

    Args:
        value: The number; None or not finite when there is none.
        digits: Decimals.
        interval: Its interval, written below it.
        under: What is written below it instead.
        reason: Why there is no number.
        strong: Whether it is emphasised.
    """
    if value is None or not math.isfinite(value):
        return Cell(DASH, reason=reason)
    if interval is not None:
        under = between(interval, digits)
    return Cell(signless(f"{value:.{digits}f}"), under, strong=strong)


def between(interval: Sequence[float | None], digits: int) -> str:
    """An interval for people: `0.10–0.14`, `−0.10 to 0.14`; empty when an end is missing."""
    low, high = interval
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    first, last = (signless(f"{end:.{digits}f}") for end in (low, high))
    return f"{first} to {last}" if low < 0 or high < 0 else f"{first}–{last}"


def signless(text: str) -> str:
    """A number's text with a real minus sign, and none before a zero."""
    if not text.startswith("-"):
        return text
    return text[1:] if not text.strip("-0.") else f"−{text[1:]}"


def duration(seconds: float) -> str:
    """`8.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Bytes for people: `640 MiB`, `1.4 GiB`."""
    mebibytes = count / 2**20
    return f"{mebibytes:.0f} MiB" if mebibytes < 1024 else f"{mebibytes / 1024:.1f} GiB"


def _decimals(text: str) -> int | None:
    """Number of decimals, or None when the text is no plain number."""
    plain = text.lstrip("−+-")
    if not plain or not plain.replace(".", "", 1).isdigit():
        return None
    return len(plain.partition(".")[2])
