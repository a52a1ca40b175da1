"""What can be wrong with a folder of photos, told all at once."""

from collections.abc import Sequence
from dataclasses import dataclass


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


def table(problems: Sequence[Problem], width: int = 110) -> str:
    """The problems as a plain text table of at most `width` columns."""
    from rich.console import Console
    from rich.table import Table

    rows = Table("file", "problem", "what to do", show_lines=True, expand=False)
    for column in rows.columns:
        column.overflow = "fold"
    for one in problems:
        rows.add_row(_plain(one.file), _plain(one.problem), _plain(one.remedy))
    console = Console(width=width, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(rows)
    return capture.get()


def _plain(text: str) -> str:
    """Text without control characters, which a file name can smuggle into a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
