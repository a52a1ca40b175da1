"""What is known of a photo from names alone, before it is opened."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
_FILLING = frozenset({"data", "set", "crop", "crops", "split"})
_LONGEST_FIRST = sorted(PARTS, key=len, reverse=True)
_WORD = re.compile(r"[^_\- ]+")


@dataclass(frozen=True)
class Entry:
    """A photo that was found, not yet opened.

    Attributes:
        file: Path below the root.
        masks: (class, path of the mask below the root) of each of its mask files.
        shapes: (class, COCO segmentation) of each of its outlined defects.
        labels: Path of its label map below the root; None where it has none.
        declared: (height, width) that its outlines were drawn at; None where these are runs of the
            upright photo's pixels, or polygons in shares of its width and height.
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
        unmarked: Photos without any annotation, in no folder of defect-free ones.
        problems: What is wrong with the names.
    """

    form: str
    entries: list[Entry] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    legend: Legend | None = None
    unmarked: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def as_one(found: Layout, name: str) -> Layout:
    """The layout with all its classes taken for one of this name."""

    def renamed(pairs: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, Any], ...]:
        return tuple((name if one else CLEAN, what) for one, what in pairs)

    legend = found.legend
    return replace(
        found,
        entries=[
            replace(one, masks=renamed(one.masks), shapes=renamed(one.shapes))
            for one in found.entries
        ],
        classes=(name,) if found.classes else (),
        legend=legend and replace(legend, names=(name,) * len(legend.names)),
    )


def words_of(name: str) -> list[str]:
    """The words of a folder's name, lower case: `train_img` has two, and `trainimg` too."""
    found: list[str] = []
    for word in _WORD.findall(name.lower()):
        part = next((one for one in _LONGEST_FIRST if word.startswith(one)), "")
        rest = word[len(part) :]
        glued = part and (rest.isdigit() or rest in _IMAGES | _MASKS | _FILLING)
        found += [part, rest] if glued else [word]
    return found


def part_of(file: str) -> Split | None:
    """The part that a path's folders name, if they do."""
    for name in PurePosixPath(file).parts[:-1]:
        for word in words_of(name) if role_of(name) else ():
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
    words = {word for word in words_of(folder) if not word.isdigit()}
    if not words or words - _IMAGES - _MASKS - _FILLING - PARTS.keys() - {"ground"}:
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
