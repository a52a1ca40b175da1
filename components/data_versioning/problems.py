"""What can be wrong with a folder of photos, told all at once."""

import csv
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that keeps the photos from being used.

    Attributes:
        file: Path below the data's root, or what else the problem is about.
        problem: What is wrong, with the offending value.
        remedy: What the user can do.
    """

    file: str
    problem: str
    remedy: str


class BadData(Exception):
    """All problems of a folder of photos; raised before any work is done."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems, sorted and without repetition."""
        self.problems = sorted(set(problems))
        super().__init__(f"{len(self.problems)} problems\n{table(self.problems)}")


SHOWN = 5
"""Problems of one kind, with the same remedy, that the table names before it counts the others."""


def table(problems: Sequence[Problem], width: int = 110) -> str:
    """The problems as a plain text table of at most `width` columns.

    A slip in a folder's form is in every one of its files: what has the same remedy is counted.
    """
    from rich.console import Console
    from rich.table import Table

    rows = Table("file", "problem", "what to do", show_lines=True, expand=False)
    for column in rows.columns:
        column.overflow = "fold"
    for remedy, ones in _kinds(problems).items():
        named = ones if len(ones) <= SHOWN + 1 else ones[:SHOWN]
        for one in named:
            rows.add_row(_plain(one.file), _plain(one.problem), _plain(remedy))
        if len(named) < len(ones):
            rows.add_row(f"and {len(ones) - len(named)} more", "the like", "the same")
    console = Console(width=width, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(rows)
    return capture.get()


def told(problems: Sequence[Problem]) -> str:
    """The table, and where it does not name every problem the file that does."""
    if max(map(len, _kinds(problems).values())) <= SHOWN + 1:
        return table(problems)
    return f"{table(problems)}\nAll {len(problems)} problems: {_listed(problems)}"


def _kinds(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    kinds: dict[str, list[Problem]] = defaultdict(list)
    for one in problems:
        kinds[one.remedy].append(one)
    return kinds


def _listed(problems: Sequence[Problem]) -> Path:
    """Write all problems to a new file, comma separated, for programs to work through."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", prefix="defectory-problems-", suffix=".csv", delete=False
    ) as file:
        rows = csv.writer(file)
        rows.writerow(["file", "problem", "what to do"])
        rows.writerows(
            (_plain(one.file), _plain(one.problem), _plain(one.remedy)) for one in problems
        )
    return Path(file.name)


def _plain(text: str) -> str:
    """Text without control characters, which a file name can smuggle into a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
