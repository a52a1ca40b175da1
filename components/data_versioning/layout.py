"""Finds the form of a folder of photos and lists the photos with their annotations.

Nothing is opened here but text, JSON and CSV files: this module looks at names. It never follows a
name out of the folder.

Understood are, tried in this order:

- COCO: one or more JSON files with `images`, `annotations` and `categories`;
- labelme: a JSON file a photo with `shapes`;
- YOLO: a text file a photo with the outlines of its defects;
- runs: a table with `ImageId`, `ClassId` and `EncodedPixels`;
- MVTec: `train/good`, `test/<defect>`, `ground_truth/<defect>/<name>_mask.png`;
- pairs: photos and, in folders called `masks` or the like, masks with the same names, optionally
  below `train`, `val`, `test`;
- beside: masks beside their photos, by a suffix or as a `.png` beside a `.jpg`, in one folder, in
  `train`, `val`, `test`, or in a folder a class.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from components.data_versioning.coco import coco_layout
from components.data_versioning.decode import SUFFIXES
from components.data_versioning.entry import ANONYMOUS, Layout, class_of, leaves
from components.data_versioning.labelme import labelme_layout
from components.data_versioning.labels import with_label_maps
from components.data_versioning.masks import beside, mvtec, pairs
from components.data_versioning.problems import Problem
from components.data_versioning.runs import runs_layout
from components.data_versioning.settings import Unmarked
from components.data_versioning.yolo import yolo_layout

_ARRAYS = (".mat", ".npy", ".npz")
"""Endings of files in which some collections keep their masks. What their numbers mean differs."""

FORMS = (
    "COCO: annotations.json (or train.json, val.json, test.json) and the images it names",
    "labelme: a.jpg with a.json, and defect-free photos in good/",
    "YOLO: images/a.jpg with its outlines in labels/a.txt, classes named in data.yaml",
    "runs of pixels: a CSV with ImageId, ClassId and EncodedPixels, and the images it names",
    "pairs: images/a.jpg with masks/a.png, optionally in a folder a class, or below train/, test/",
    "class folders: Crack/a.jpg with its mask Crack/a.png, and defect-free photos in good/",
    "masks beside the images: a.png with a_mask.png, a_GT.png, a_gt.png or a_label.png",
    "label maps: the same with values 1, 2, ... in the masks, named in classes.txt, one a line",
    "coloured label maps: the same with colours in the masks, named in labelmap.txt",
    "MVTec: train/good, test/<defect>, ground_truth/<defect>/<name>_mask.png",
)


def layout(root: Path, *, unmarked: Unmarked = "refused") -> Layout:
    """Find the form of a folder and list its photos, in the order of their paths.

    Args:
        root: The folder.
        unmarked: What becomes of photos without any annotation that lie in no folder of defect-free
            ones. In the layout they are `unmarked` still, unless they are defect-free.
    """
    problems: list[Problem] = []
    files = list(_files(root, problems))
    pictures = [file for file in files if PurePosixPath(file).suffix.lower() in SUFFIXES]
    documents = _documents(root, files, problems)
    found = (
        coco_layout(root, documents)
        or labelme_layout(documents, pictures)
        or yolo_layout(root, files, pictures)
        or runs_layout(root, files, pictures)
    )
    outlined = found is not None
    if found is None and not pictures:
        problems.append(
            Problem(".", "no pictures in the folder", "give a folder with photos and masks")
        )
        return Layout("empty", problems=problems)
    if found is None:
        found = with_label_maps(root, mvtec(pictures) or pairs(pictures) or beside(pictures))
    if unmarked == "defect_free":
        found.entries += found.unmarked
        found.unmarked = []
    elif unmarked == "refused" and (outlined or found.classes):
        found.problems += [_unmarked(entry.file) for entry in found.unmarked]
    told = outlined and found.problems
    several = [] if outlined else _several(pictures)
    if several:
        found = Layout("several")
        found.problems.append(
            Problem(
                ".",
                "holds folders that are each in MVTec's form",
                "give the folder of one: " + ", ".join(several),
            )
        )
    elif not told and not (found.entries and found.classes):
        found.problems.append(
            Problem(
                ".",
                f"no photo has a mask or an annotation{_unread(files)}",
                "arrange the folder in one of these forms: " + "; ".join(FORMS),
            )
        )
    found.problems = [*problems, *found.problems]
    found.entries.sort(key=lambda entry: entry.file)
    return found if outlined else _without_prefix(found)


def _unread(files: Sequence[str]) -> str:
    """What in the folder may be masks, but in files that are no pictures."""
    kinds = Counter(PurePosixPath(file).suffix.lower() for file in files)
    found = [f"{kinds[one]} {one} files" for one in _ARRAYS if kinds[one]]
    return f"; its {' and '.join(found)} are no pictures: save them as PNG" if found else ""


def _unmarked(file: str) -> Problem:
    return Problem(
        file,
        "photo without a mask or an annotation",
        "add one (an empty one if it shows no defect) or move it to a folder named good; if all "
        "photos without one show none, --set data_versioning.unmarked=defect_free; to do without "
        "them, --set data_versioning.unmarked=left_out",
    )


def _several(pictures: Sequence[str]) -> list[str]:
    """Folders of the root that are each in MVTec's form, as that collection has one a product."""
    inside: dict[str, list[str]] = defaultdict(list)
    for file in pictures:
        folder, _, rest = file.partition("/")
        inside[folder].append(rest)
    return [folder for folder, files in sorted(inside.items()) if mvtec(files)]


def _documents(root: Path, files: Sequence[str], problems: list[Problem]) -> dict[str, Any]:
    """All JSON documents, without the photo that labelme writes into its own."""
    found: dict[str, Any] = {}
    for file in files:
        if file.lower().endswith(".json"):
            try:
                found[file] = json.loads((root / file).read_bytes())
            except (OSError, ValueError, RecursionError) as error:
                why = f"cannot be read as JSON ({error})"
                problems.append(Problem(file, why, "export it again"))
            else:
                if isinstance(found[file], dict):
                    found[file].pop("imageData", None)
    return found


def _files(root: Path, problems: list[Problem]) -> Iterable[str]:
    """Paths of all visible files below the root, sorted.

    Those that lead out, or that no table could name, are problems.
    """
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
            elif file.encode(errors="ignore").decode() != file:
                problems.append(Problem(file, "the name is not UTF-8", "rename it"))
            elif path.is_file():
                yield file


def _without_prefix(found: Layout) -> Layout:
    """Class names without a prefix, ending in `_` or `-`, that all class folders share."""
    folders = {
        class_of(PurePosixPath(entry.file).parts[:-1]) for entry in found.entries
    } | set(found.classes)  # fmt: skip
    folders -= {"", ANONYMOUS, *(found.legend.names if found.legend else ())}
    common = _common_start(folders)
    cut = max(common.rfind("_"), common.rfind("-")) + 1
    if cut and all(len(name) > cut for name in folders):
        new = {name: name[cut:] for name in folders}
        found.entries = [
            replace(one, masks=tuple((new.get(name, name), mask) for name, mask in one.masks))
            for one in found.entries
        ]
        found.classes = tuple(new.get(name, name) for name in found.classes)
    return found


def _common_start(names: Iterable[str]) -> str:
    """The longest start that all of several names share."""
    ordered = sorted(names)
    if len(ordered) < 2:
        return ""
    first, last = ordered[0], ordered[-1]
    same = next((at for at, sign in enumerate(first) if last[at : at + 1] != sign), len(first))
    return first[:same]
