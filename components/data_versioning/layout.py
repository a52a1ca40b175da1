"""Finds the form of a folder of photos and lists the photos with their annotations.

Nothing is opened here but JSON files: this module looks at names. It never follows a name out of
the folder.

Understood are, tried in this order:

- COCO: one or more JSON files with `images`, `annotations` and `categories`;
- MVTec: `train/good`, `test/<defect>`, `ground_truth/<defect>/<name>_mask.png`;
- pairs: `images/` and `masks/` with the same names, optionally below `train`, `val`, `test`;
- beside: masks beside their photos, by a suffix or as a `.png` beside a `.jpg`, in one folder, in
  `train`, `val`, `test`, or in a folder a class.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from components.data_versioning.decode import SUFFIXES
from components.data_versioning.problems import Problem
from components.dataset import Split

ANONYMOUS = "defect"
"""Name of the class where the folder names none."""

FORMS = (
    "COCO: annotations.json (or train.json, val.json, test.json) and the images it names",
    "pairs: images/a.jpg with masks/a.png, optionally in a folder a class, or below train/, test/",
    "class folders: Crack/a.jpg with its mask Crack/a.png, and defect-free photos in good/",
    "masks beside the images: a.png with a_mask.png, a_GT.png, a_gt.png or a_label.png",
    "MVTec: train/good, test/<defect>, ground_truth/<defect>/<name>_mask.png",
)

_CLEAN = frozenset({"free", "good", "ok", "normal", "clean", "defect_free", "defect-free"})
_PARTS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_NEUTRAL = frozenset({"imgs", "img", "images", "image", "photos", "data", "masks", "mask"})
_MASK_SUFFIX = re.compile(r"^(?P<stem>.+?)[_-](mask|masks|gt|label|labels)$", re.IGNORECASE)
_IMAGES = frozenset({"images", "imgs", "image", "img"})
_MASKS = frozenset({"masks", "mask", "ground_truth", "labels", "gt"})


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


def layout(root: Path) -> Layout:
    """Find the form of a folder and list its photos, in the order of their paths."""
    problems: list[Problem] = []
    files = list(_files(root, problems))
    pictures = [file for file in files if PurePosixPath(file).suffix.lower() in SUFFIXES]
    from components.data_versioning.coco import coco_layout

    found = coco_layout(root, [file for file in files if file.lower().endswith(".json")], problems)
    if found is None and not pictures:
        problems.append(
            Problem(".", "no pictures in the folder", "give a folder with photos and masks")
        )
        return Layout("empty", problems=problems)
    if found is None:
        found = _mvtec(pictures) or _pairs(pictures) or _beside(pictures)
    if not found.entries or not found.classes:
        found.problems.append(
            Problem(
                ".",
                "no photo has a mask or an annotation",
                "arrange the folder in one of these forms: " + "; ".join(FORMS),
            )
        )
    found.problems = [*problems, *found.problems]
    found.entries.sort(key=lambda entry: entry.file)
    return found if found.form == "COCO" else _without_prefix(found)


def part_of(file: str) -> Split | None:
    """The part that a path's folders name, if they do."""
    for name in PurePosixPath(file).parts[:-1]:
        if name.lower() in _PARTS:
            return _PARTS[name.lower()]
    return None


def part_of_name(stem: str) -> Split | None:
    """The part that the words of an annotation file's name mention, if they do."""
    for word in re.split(r"[^a-z]+", stem.lower()):
        if word in _PARTS:
            return _PARTS[word]
    return None


def _files(root: Path, problems: list[Problem]) -> Iterable[str]:
    """Paths of all visible files below the root, sorted; those that lead out are problems."""
    home = root.resolve()
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(folder)
        for name in sorted(names) + [one for one in folders if (here / one).is_symlink()]:
            path = here / name
            file = path.relative_to(root).as_posix()
            if name.startswith("."):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                problems.append(leaves(file))
            elif path.is_file():
                yield file


def leaves(file: str) -> Problem:
    """The problem of a path that leads out of the root."""
    return Problem(
        file, "the path leaves the folder", "put the file itself into the folder, without links"
    )


def _class_of(folders: Sequence[str]) -> str:
    """The class that a path's folders name: the last that is neither a part nor neutral."""
    for name in reversed(folders):
        if name.lower() not in _PARTS and name.lower() not in _NEUTRAL:
            return name
    return ""


def is_clean(name: str) -> bool:
    """Whether a folder of this name holds defect-free photos."""
    return name.lower() in _CLEAN or re.split(r"[_\- ]", name.lower())[-1] in _CLEAN


def _mvtec(pictures: Sequence[str]) -> Layout | None:
    truth = [file for file in pictures if file.split("/")[0] == "ground_truth"]
    photos = [file for file in pictures if file.split("/")[0] in ("train", "test")]
    if not truth or not photos or any(len(file.split("/")) != 3 for file in photos + truth):
        return None
    # All photos are pooled: the official training part has no defects.
    return _paired("MVTec", "test", photos, "ground_truth", truth, keep_parts=False)


def _pairs(pictures: Sequence[str]) -> Layout | None:
    def side(file: str) -> str:
        folders = [name.lower() for name in file.split("/")[:-1]]
        kinds = [
            "masks" if name in _MASKS else "images"
            for name in folders[:2]
            if name in _MASKS or name in _IMAGES
        ]
        return kinds[0] if kinds else ""

    photos = [file for file in pictures if side(file) == "images"]
    masks = [file for file in pictures if side(file) == "masks"]
    if not photos or not masks:
        return None
    return _paired("image and mask folders", "images", photos, "masks", masks, keep_parts=True)


def _paired(
    form: str, images: str, photos: Sequence[str], truth: str, masks: Sequence[str], keep_parts: bool
) -> Layout:
    """Photos and masks in folders of their own, joined by part, class folder and stem."""

    def key(file: str, mask: bool) -> tuple[str, str, str]:
        path = PurePosixPath(file)
        stem = path.stem
        match = _MASK_SUFFIX.match(stem) if mask else None
        part = (part_of(file) or "") if keep_parts else ""
        folders = [
            name
            for name in path.parts[:-1]
            if name.lower() not in _IMAGES | _MASKS and name.lower() not in _PARTS
        ]
        return part, "/".join(folders), match["stem"] if match else stem

    by_key: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    loose: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in masks:
        # A photo may really be called a_mask; then its mask has that very name.
        exact = (*key(file, True)[:2], PurePosixPath(file).stem)
        for one in {key(file, True), exact}:
            by_key[one].append(file)
            loose[one[0], one[2]].append(file)
    found = Layout(form)
    used: set[str] = set()
    for file in photos:
        part, folder, stem = key(file, False)
        own = by_key.get((part, folder, stem), [])
        if not own and not folder:
            own = loose.get((part, stem), [])
        used.update(own)
        name = _class_of(folder.split("/"))
        if not own and folder and not is_clean(name):
            found.problems.append(_without_mask(file))
            continue
        pairs = tuple(
            (name if name and not is_clean(name) else _class_of(key(one, True)[1].split("/"))
             or ANONYMOUS, one)
            for one in own
        )  # fmt: skip
        found.entries.append(Entry(file, pairs, split=part_of(file) if keep_parts else None))
    found.problems.extend(_without_image(file) for file in masks if file not in used)
    found.classes = tuple(sorted({name for entry in found.entries for name, _ in entry.masks}))
    return found


def _beside(pictures: Sequence[str]) -> Layout:
    found = Layout("masks beside the images")
    folders: dict[str, list[str]] = defaultdict(list)
    for file in pictures:
        folders[PurePosixPath(file).parent.as_posix()].append(file)
    for folder, files in folders.items():
        name = _class_of(PurePosixPath(folder).parts)
        photos, masks = _sort_out(files)
        paired = set(masks.values())
        twins = any(PurePosixPath(one).stem == PurePosixPath(two).stem
                    for one, two in masks.items())  # fmt: skip
        for file in photos:
            mask = masks.get(file)
            if mask is None and file.lower().endswith(".png") and twins:
                found.problems.append(_without_image(file))
            elif mask is None and name and not is_clean(name) and paired:
                found.problems.append(_without_mask(file))
            else:
                pairs = ((name or ANONYMOUS, mask),) if mask is not None else ()
                found.entries.append(Entry(file, pairs, split=part_of(file)))
        orphans = [file for file in files if file not in paired and file not in photos]
        found.problems.extend(_without_image(file) for file in orphans)
    found.classes = tuple(
        sorted({name for one in found.entries for name, _ in one.masks if not is_clean(name)})
    )
    # A folder of photos alone, beside folders with masks, is defect-free only if it says so.
    for entry in [one for one in found.entries if not one.masks]:
        name = _class_of(PurePosixPath(entry.file).parts[:-1])
        if name and not is_clean(name):
            found.entries.remove(entry)
            found.problems.append(_without_mask(entry.file))
    return found


def _sort_out(files: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The photos of one folder, and the mask of each that has one."""
    stems: dict[str, list[str]] = defaultdict(list)
    for file in files:
        stems[PurePosixPath(file).stem].append(file)
    masks: dict[str, str] = {}
    photos: list[str] = []
    for stem, same in sorted(stems.items()):
        match = _MASK_SUFFIX.match(stem)
        if match:
            for photo in stems.get(match["stem"], [])[:1]:
                masks[photo] = same[0]
            continue
        png = [file for file in same if file.lower().endswith(".png")]
        other = [file for file in same if file not in png]
        if png and other:
            masks.setdefault(other[0], png[0])
        photos.extend(other or png)
    return photos, masks


def _without_prefix(found: Layout) -> Layout:
    """Class names without a prefix, ending in `_` or `-`, that all class folders share."""
    folders = {
        _class_of(PurePosixPath(entry.file).parts[:-1]) for entry in found.entries
    } | set(found.classes)  # fmt: skip
    folders.discard("")
    folders.discard(ANONYMOUS)
    common = os.path.commonprefix(sorted(folders)) if len(folders) > 1 else ""
    cut = max(common.rfind("_"), common.rfind("-")) + 1
    if cut and all(len(name) > cut for name in folders):
        new = {name: name[cut:] for name in folders}
        found.entries = [
            Entry(
                one.file,
                tuple((new.get(name, name), mask) for name, mask in one.masks),
                one.shapes,
                one.declared,
                one.split,
            )
            for one in found.entries
        ]
        found.classes = tuple(new.get(name, name) for name in found.classes)
    return found


def _without_mask(file: str) -> Problem:
    return Problem(
        file,
        "image without mask in a folder of defects",
        "add its mask (all black if it shows no defect), or move it to a folder named good",
    )


def _without_image(file: str) -> Problem:
    return Problem(file, "mask without image", "add the image of the same name, or remove the mask")
