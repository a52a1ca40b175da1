"""Photos with mask files: image and mask folders, MVTec's form, masks beside the images."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from components.data_versioning.entry import (
    ANONYMOUS,
    CLEAN,
    PARTS,
    Entry,
    Layout,
    class_of,
    is_clean,
    part_of,
)
from components.data_versioning.problems import Problem

_MASK_SUFFIX = re.compile(r"^(?P<stem>.+?)[_-](mask|masks|gt|label|labels)$", re.IGNORECASE)
_IMAGES = frozenset({"images", "imgs", "image", "img"})
_MASKS = frozenset({"masks", "mask", "ground_truth", "labels", "gt"})


def mvtec(pictures: Sequence[str]) -> Layout | None:
    """Photos in MVTec's form, or None in another form; all photos are pooled."""
    truth = [file for file in pictures if file.split("/")[0] == "ground_truth"]
    photos = [file for file in pictures if file.split("/")[0] in ("train", "test")]
    if not truth or not photos or any(len(file.split("/")) != 3 for file in photos + truth):
        return None
    # The official training part has no defects, so it cannot be kept.
    return _paired("MVTec", photos, truth, keep_parts=False)


def pairs(pictures: Sequence[str]) -> Layout | None:
    """Photos in `images` folders with masks in `masks` folders, or None in another form."""

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
    return _paired("image and mask folders", photos, masks, keep_parts=True)


def _paired(form: str, photos: Sequence[str], masks: Sequence[str], *, keep_parts: bool) -> Layout:
    """Photos and masks in folders of their own, joined by part, class folder and stem."""

    def key(file: str, mask: bool) -> tuple[str, str, str]:
        path = PurePosixPath(file)
        stem = path.stem
        match = _MASK_SUFFIX.match(stem) if mask else None
        part = (part_of(file) or "") if keep_parts else ""
        folders = [
            name
            for name in path.parts[:-1]
            if name.lower() not in _IMAGES | _MASKS and name.lower() not in PARTS
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
        name = class_of(folder.split("/"))
        if not own and folder and not is_clean(name):
            found.problems.append(_without_mask(file))
            continue
        pairs = tuple((_class_of_mask(name, key(one, True)[1]), one) for one in own)
        found.entries.append(Entry(file, pairs, split=part_of(file) if keep_parts else None))
    found.problems.extend(_without_image(file) for file in masks if file not in used)
    found.classes = _classes(found)
    return found


def beside(pictures: Sequence[str]) -> Layout:
    """Photos with their masks in the same folder."""
    found = Layout("masks beside the images")
    folders: dict[str, list[str]] = defaultdict(list)
    for file in pictures:
        folders[PurePosixPath(file).parent.as_posix()].append(file)
    for folder, files in folders.items():
        name = class_of(PurePosixPath(folder).parts)
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
                pairs = ((_class_of_mask(name, ""), mask),) if mask is not None else ()
                found.entries.append(Entry(file, pairs, split=part_of(file)))
        orphans = [file for file in files if file not in paired and file not in photos]
        found.problems.extend(_without_image(file) for file in orphans)
    found.classes = _classes(found)
    # A folder of photos alone, beside folders with masks, is defect-free only if it says so.
    for entry in [one for one in found.entries if not one.masks]:
        name = class_of(PurePosixPath(entry.file).parts[:-1])
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


def _class_of_mask(photo: str, folder: str) -> str:
    """The class of a mask by its photo's class folder and its own folders; "" if it must be black.

    Args:
        photo: Name of the photo's class folder; empty if it lies in none.
        folder: The mask's folders.
    """
    name = photo or class_of(folder.split("/"))
    if not name:
        return ANONYMOUS
    return CLEAN if is_clean(name) else name


def _classes(found: Layout) -> tuple[str, ...]:
    return tuple(sorted({name for one in found.entries for name, _ in one.masks} - {CLEAN}))


def _without_mask(file: str) -> Problem:
    return Problem(
        file,
        "image without mask in a folder of defects",
        "add its mask (all black if it shows no defect), or move it to a folder named good",
    )


def _without_image(file: str) -> Problem:
    return Problem(file, "mask without image", "add the image of the same name, or remove the mask")
