"""Photos annotated in YOLO's form for segmentation: a text file a photo, a defect a line.

A line is the number of the class and the corners of an outline, x y x y ..., as shares of the
upright photo's width and height. The file lies in `labels/` where the photo lies in `images/`, or
beside it. `names` in a YAML file, or `classes.txt` or `obj.names`, names the classes from 0 on;
without a name they are called `class 0` and so on, and one alone `defect`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from components.data_versioning.entry import (
    ANONYMOUS,
    Entry,
    Layout,
    class_of,
    is_clean,
    part_of,
)
from components.data_versioning.problems import Problem

_LISTS = ("classes.txt", "obj.names")
_BOX = 4


def yolo_layout(root: Path, files: Sequence[str], pictures: Sequence[str]) -> Layout | None:
    """The photos of a folder in YOLO's form, or None if it is in another.

    A photo without a file is defect-free only in a folder that says so; one that was looked at and
    shows nothing has an empty file.

    Args:
        root: The folder.
        files: Paths of all files below it.
        pictures: Those of the pictures.
    """
    texts = {file for file in files if file.lower().endswith(".txt")}
    labels = {file: label for file in pictures if (label := _label(file, texts))}
    if not labels:
        return None
    found = Layout("YOLO")
    contents = {label: _read(root, label, found) for label in labels.values()}
    first = next((text for text in contents.values() if text.strip()), "")
    if not all(_number(value) is not None for value in first.split()[:5]) or not first:
        return None
    names, named_in = _names(root, files, found)
    used: set[int] = set()
    found.annotations = (*sorted(contents), *named_in)
    for file in pictures:
        if file in labels:
            shapes = _shapes(labels[file], contents[labels[file]], names, used, found.problems)
            found.entries.append(Entry(file, shapes=shapes, split=part_of(file)))
        else:
            clean = is_clean(class_of(PurePosixPath(file).parts[:-1]))
            (found.entries if clean else found.unmarked).append(Entry(file, split=part_of(file)))
    for file in sorted(texts - set(contents) - set(named_in)):
        path = PurePosixPath(file)
        if path.name not in _LISTS and "labels" in (one.lower() for one in path.parts[:-1]):
            found.problems.append(
                Problem(file, "outlines without image", "add the image of the same name")
            )
    if not names and len(used) == 1:
        found.classes = (ANONYMOUS,)
        found.entries = [
            replace(one, shapes=tuple((ANONYMOUS, outline) for _, outline in one.shapes))
            for one in found.entries
        ]
    else:
        found.classes = tuple(dict.fromkeys(_name(number, names) for number in sorted(used)))
    return found


def _label(picture: str, texts: set[str]) -> str | None:
    """The text file of a picture, if there is one."""
    path = PurePosixPath(picture).with_suffix(".txt")
    folders = [at for at, name in enumerate(path.parts[:-1]) if name.lower() == "images"]
    places = [path.as_posix()]
    if folders:
        parts = list(path.parts)
        parts[folders[-1]] = "labels"
        places.insert(0, "/".join(parts))
    return next((one for one in places if one in texts), None)


def _read(root: Path, file: str, found: Layout) -> str:
    try:
        return (root / file).read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        found.problems.append(Problem(file, f"cannot be read ({error})", "save it as UTF-8 text"))
        return ""


def _names(root: Path, files: Sequence[str], found: Layout) -> tuple[dict[int, str], list[str]]:
    """The classes' names by their numbers, and the file that says them."""
    for file in files:
        if file.lower().endswith((".yaml", ".yml")):
            names = _of_yaml(_read(root, file, found))
            if names:
                return names, [file]
    for file in files:
        if PurePosixPath(file).name in _LISTS:
            lines = [line.strip() for line in _read(root, file, found).splitlines()]
            return dict(enumerate(line for line in lines if line)), [file]
    return {}, []


def _of_yaml(text: str) -> dict[int, str]:
    import yaml

    try:
        document: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return {}
    names = document.get("names") if isinstance(document, dict) else None
    if isinstance(names, list):
        return {number: str(name) for number, name in enumerate(names)}
    if isinstance(names, dict):
        return {int(number): str(name) for number, name in names.items() if str(number).isdigit()}
    return {}


def _name(number: int, names: dict[int, str]) -> str:
    return names.get(number, f"class {number}")


def _shapes(
    file: str, text: str, names: dict[int, str], used: set[int], problems: list[Problem]
) -> tuple[tuple[str, Any], ...]:
    """(class, polygons in shares of the photo) of each line; the classes' numbers go to `used`."""
    shapes: list[tuple[str, Any]] = []
    for at, line in enumerate(text.splitlines(), 1):
        values = [_number(value) for value in line.split()]
        if not values:
            continue
        numbers = [value for value in values if value is not None]
        outline = numbers[1:]
        number = int(numbers[0]) if numbers and numbers[0] >= 0 and numbers[0] % 1 == 0 else None
        wrong = ""
        if number is None or len(numbers) < len(values):
            wrong = f"line {at} is not a class number and an outline"
        elif len(outline) == _BOX:
            wrong = f"line {at} is a box, not an outline"
        elif len(outline) < 6 or len(outline) % 2:
            wrong = f"line {at} has {len(outline)} coordinates, not x y of 3 corners or more"
        elif names and number not in names:
            wrong = f"line {at} is of class {number}, which has no name"
        if wrong or number is None:
            problems.append(Problem(file, wrong, "export outlines (segmentation), not boxes"))
            continue
        used.add(number)
        shapes.append((_name(number, names), [outline]))
    return tuple(shapes)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
