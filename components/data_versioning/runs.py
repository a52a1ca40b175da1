"""Photos whose defects are runs of pixels in a table, as competitions publish them.

A row of the table is a photo's name (`ImageId`), a class (`ClassId`, or in one column with the
name, `ImageId_ClassId`) and `EncodedPixels`: start and length of each run, pixels counted from 1
down the columns. An empty one says that the photo does not show the class.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from components.data_versioning.entry import ANONYMOUS, Entry, Layout, part_of
from components.data_versioning.problems import Problem
from components.data_versioning.shapes import Runs

_NAME, _CLASS, _BOTH, _RUNS = "imageid", "classid", "imageid_classid", "encodedpixels"
_LONGEST = 2**27
"""Signs of a field; Python's own limit is shorter than a large defect."""


def runs_layout(root: Path, files: Sequence[str], pictures: Sequence[str]) -> Layout | None:
    """The photos of a folder with such a table, or None if there is none.

    Photos beside those of the table that it does not name are unmarked; other folders, such as one
    of photos that were to be predicted, are left out.

    Args:
        root: The folder.
        files: Paths of all files below it.
        pictures: Those of the pictures.
    """
    tables = [file for file in files if file.lower().endswith(".csv") and _is_table(root / file)]
    if not tables:
        return None
    found = Layout("runs of pixels in a table", annotations=tuple(tables))
    places: dict[str, list[str]] = defaultdict(list)
    for picture in pictures:
        places[PurePosixPath(picture).name].append(picture)
    shapes: dict[str, list[tuple[str, Runs]]] = {}
    for table in tables:
        _read(root, table, places, shapes, found)
    folders = {PurePosixPath(file).parent for file in shapes}
    for picture in pictures:
        if picture in shapes:
            own = tuple(shapes[picture])
            found.entries.append(Entry(picture, shapes=own, split=part_of(picture)))
        elif PurePosixPath(picture).parent in folders:
            found.unmarked.append(Entry(picture, split=part_of(picture)))
    found.classes = tuple(sorted({name for one in found.entries for name, _ in one.shapes}))
    return found


def _is_table(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = [name.strip().lower() for name in stream.readline(1000).split(",")]
    except (OSError, ValueError):
        return False
    return _RUNS in header and (_NAME in header or _BOTH in header)


def _read(
    root: Path,
    table: str,
    places: dict[str, list[str]],
    shapes: dict[str, list[tuple[str, Runs]]],
    found: Layout,
) -> None:
    """Add the rows of a table to the photos' shapes."""
    csv.field_size_limit(_LONGEST)
    try:
        text = (root / table).read_text("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text)))
    except (OSError, ValueError, csv.Error) as error:
        found.problems.append(Problem(table, f"cannot be read ({error})", "save it as UTF-8 CSV"))
        return
    header = [name.strip().lower() for name in rows[0]]
    for line, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        fields = dict(zip(header, (value.strip() for value in row), strict=False))
        name, kind = fields.get(_NAME, ""), fields.get(_CLASS, "")
        if _BOTH in fields:
            name, _, kind = fields[_BOTH].rpartition("_")
        there = places.get(name, [])
        if len(there) != 1:
            problem = "is not there" if not there else f"is there {len(there)} times"
            found.problems.append(
                Problem(f"{table}:{line}", f"its image {name!r} {problem}", "keep it once")
            )
            continue
        own = shapes.setdefault(there[0], [])
        try:
            runs = Runs.parse(fields.get(_RUNS, ""))
        except ValueError as error:
            found.problems.append(
                Problem(f"{table}:{line}", str(error), "write start length start length ...")
            )
            continue
        if runs.starts:
            own.append((f"class {kind}" if kind.isdigit() else kind or ANONYMOUS, runs))
