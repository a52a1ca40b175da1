"""What is known of a photo from names alone, before it is opened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from components.data_versioning.decode import Legend
from components.data_versioning.problems import Problem
from components.dataset import Split

ANONYMOUS = "defect"
"""Name of the class where the folder names none."""

CLEAN = ""
"""Stands for a class where a mask lies in a folder of defect-free photos and must be black."""

_CLEAN = frozenset(
    {"free", "good", "ok", "normal", "clean", "intact", "defectfree", "nodefect", "nodefects"}
)
PARTS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_IMAGES = frozenset({"images", "image", "imgs", "img", "photos", "jpegimages"})
_MASKS = frozenset(
    {"masks", "mask", "gt", "groundtruth", "truth", "labels", "label", "lab", "annotations",
     "annotation", "segmentationclass"}
)  # fmt: skip
_WORD = re.compile(r"[^_\- ]+")


@dataclass(frozen=True)
class Entry:
    """A photo that was found, not yet opened.

    Attributes:
        file: Path below the root.
        masks: (class, path of the mask below the root) of each of its mask files.
        shapes: (class, COCO segmentation) of each of its outlined defects.
        labels: Path of its label map below the root; None where it has none.
        declared: (height, width) that its outlines were drawn at; None where these are polygons
            in shares of the upright photo's width and height.
        split: The part its folder or file says it is in; None where it says nothing.
    """

    file: str
    masks: tuple[tuple[str, str], ...] = ()
    shapes: tuple[tuple[str, Any], ...] = ()
    labels: str | None = None
    declared: tuple[int, int] | None = None
    split: Split | None = None

    @property
    def annotated(self) -> bool:
        """Whether it has a mask or an annotation, of whatever class."""
        return bool(self.masks or self.shapes or self.labels)


@dataclass
class Layout:
    """What a folder holds.

    Attributes:
        form: Name of the form, for people.
        entries: The photos.
        classes: Defect classes in the order of their names, or of COCO's category ids.
        annotations: Annotation files below the root that all photos share.
        legend: What label maps mean, where there are such.
        problems: What is wrong with the names.
    """

    form: str
    entries: list[Entry] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    legend: Legend | None = None
    problems: list[Problem] = field(default_factory=list)


def part_of(file: str) -> Split | None:
    """The part that a path's folders name, if they do."""
    for name in PurePosixPath(file).parts[:-1]:
        for word in _WORD.findall(name.lower()) if role_of(name) else ():
            if word in PARTS:
                return PARTS[word]
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


def role_of(folder: str) -> Literal["images", "masks", "part", ""]:
    """What a folder is for, if its name says nothing else: `masks`, `train_img`, `ground_truth`.

    A name with any other word is that of a class: `label_torn` holds torn labels.
    """
    words = {word for word in _WORD.findall(folder.lower()) if not word.isdigit()}
    if not words or words - _IMAGES - _MASKS - PARTS.keys() - {"ground", "data"}:
        return ""
    if words & _MASKS:
        return "masks"
    if words & _IMAGES:
        return "images"
    return "" if words == {"ground"} else "part"


def class_of(folders: Sequence[str]) -> str:
    """The class that a path's folders name; empty if none does.

    That is a folder of defect-free photos if there is one, else the last folder that names neither
    a part (`train`), nor a role (`images`), nor a number.
    """
    named = [name for name in folders if name and not role_of(name) and not name.isdigit()]
    clean = [name for name in named if is_clean(name)]
    name = (clean or named or [""])[-1]
    words = list(_WORD.finditer(name))
    while len(words) > 1 and words[-1][0].lower() in _IMAGES:
        words.pop()
    return name[: words[-1].end()] if words else name


def is_clean(name: str) -> bool:
    """Whether a folder of this name holds defect-free photos."""
    words = [word for word in _WORD.findall(name.lower()) if word not in _IMAGES]
    if "".join(words[-2:]) in _CLEAN:
        return True
    return bool(words) and words[-1] in _CLEAN and not set(words[-2:-1]) & {"not", "no", "non"}
