"""What is known of a photo from names alone, before it is opened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from components.data_versioning.problems import Problem
from components.dataset import Split

ANONYMOUS = "defect"
"""Name of the class where the folder names none."""

CLEAN = ""
"""Stands for a class where a mask lies in a folder of defect-free photos and must be black."""

_CLEAN_FOLDERS = frozenset({"free", "good", "ok", "normal", "clean", "defect_free", "defect-free"})
PARTS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
NEUTRAL = frozenset({"imgs", "img", "images", "image", "photos", "data", "masks", "mask"})


@dataclass(frozen=True)
class Entry:
    """A photo that was found, not yet opened.

    Attributes:
        file: Path below the root.
        masks: (class, path of the mask below the root) of each of its mask files.
        shapes: (class, COCO segmentation) of each of its COCO annotations.
        declared: (height, width) that COCO gives for it; None in the other forms.
        split: The part its folder or file says it is in; None where it says nothing.
    """

    file: str
    masks: tuple[tuple[str, str], ...] = ()
    shapes: tuple[tuple[str, Any], ...] = ()
    declared: tuple[int, int] | None = None
    split: Split | None = None


@dataclass
class Layout:
    """What a folder holds.

    Attributes:
        form: Name of the form, for people.
        entries: The photos.
        classes: Defect classes in the order of their names, or of COCO's category ids.
        annotations: Annotation files below the root that all photos share.
        problems: What is wrong with the names.
    """

    form: str
    entries: list[Entry] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)


def part_of(file: str) -> Split | None:
    """The part that a path's folders name, if they do."""
    for name in PurePosixPath(file).parts[:-1]:
        if name.lower() in PARTS:
            return PARTS[name.lower()]
    return None


def part_of_name(stem: str) -> Split | None:
    """The part that the words of an annotation file's name mention, if they do."""
    for word in re.split(r"[^a-z]+", stem.lower()):
        if word in PARTS:
            return PARTS[word]
    return None


def leaves(file: str) -> Problem:
    """The problem of a path that leads out of the root."""
    return Problem(
        file, "the path leaves the folder", "put the file itself into the folder, without links"
    )


def class_of(folders: Sequence[str]) -> str:
    """The class that a path's folders name; empty if none does.

    That is a folder of defect-free photos if there is one, else the last folder that is neither a
    part (`train`), nor neutral (`images`), nor a number.
    """
    named = [
        name
        for name in folders
        if name.lower() not in PARTS and name.lower() not in NEUTRAL and not name.isdigit()
    ]
    clean = [name for name in named if is_clean(name)]
    return (clean or named or [""])[-1]


def is_clean(name: str) -> bool:
    """Whether a folder of this name holds defect-free photos."""
    return name.lower() in _CLEAN_FOLDERS or re.split(r"[_\- ]", name.lower())[-1] in _CLEAN_FOLDERS
