"""Physical pieces that the user named, by a column of `groups.csv` or a pattern over paths."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from components.data_versioning.problems import Problem
from components.data_versioning.settings import DataSettings

GROUPS = "groups.csv"
"""Name of the user's table, in the root of the data."""

PIECE = "piece"
"""Column of it that names the piece, where no other is asked for."""


def column(source: Path, settings: DataSettings) -> str:
    """The column of the data's table that names pieces; empty where no table does."""
    if settings.group_pattern or not (settings.group_column or (source / GROUPS).exists()):
        return ""
    return settings.group_column or PIECE


def named_groups(
    source: Path, files: Sequence[str], settings: DataSettings
) -> tuple[dict[str, str], list[Problem]]:
    """The piece of each file, and what is wrong with the table or the pattern.

    Without a table or a pattern there are no names and no problems.
    """
    if named := column(source, settings):
        return _by_column(source / GROUPS, files, named)
    if settings.group_pattern:
        return _by_pattern(files, settings.group_pattern)
    return {}, []


def _by_column(
    table: Path, files: Sequence[str], column: str
) -> tuple[dict[str, str], list[Problem]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return {}, [
            Problem(GROUPS, f"cannot be read ({error})", "correct or add it, or leave group_column")
        ]
    if not rows or not {"file", column} <= rows[0].keys():
        has = ", ".join(rows[0]) if rows else "no rows"
        return {}, [Problem(GROUPS, f"has {has}", f"give it the columns file and {column}")]
    groups = {str(row["file"]): str(row[column]) for row in rows if row[column]}
    return groups, [
        Problem(file, f"has no {column} in {GROUPS}", "add a row with its path and its piece")
        for file in files
        if file not in groups
    ]


def _by_pattern(files: Sequence[str], pattern: str) -> tuple[dict[str, str], list[Problem]]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        return {}, [Problem("group_pattern", f"{pattern!r}: {error}", "correct the expression")]
    if compiled.groups < 1:
        return {}, [
            Problem("group_pattern", f"{pattern!r} has no group", "put the piece in (parentheses)")
        ]
    found = {file: compiled.search(file) for file in files}
    groups = {file: match[1] for file, match in found.items() if match and match[1]}
    return groups, [
        Problem(file, f"group_pattern {pattern!r} does not match", "extend the expression")
        for file in files
        if file not in groups
    ]
