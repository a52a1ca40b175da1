"""Photos with mask files: image and mask folders, MVTec's form, masks beside the images."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from components.data_versioning.entry import (
    ANONYMOUS,
    CLEAN,
    Entry,
    Layout,
    class_of,
    is_clean,
    part_of,
    role_of,
)
from components.data_versioning.problems import Problem

_MASK_SUFFIX = re.compile(r"^(?P<stem>.+?)[_-](mask|masks|gt|label|labels)$", re.IGNORECASE)


def mvtec(pictures: Sequence[str]) -> Layout | None:
    """Photos in MVTec's form, or None in another form; all photos are pooled."""
    truth = [file for file in pictures if file.split("/")[0] == "ground_truth"]
    photos = [file for file in pictures if file.split("/")[0] in ("train", "test")]
    if not truth or not photos or any(len(file.split("/")) != 3 for file in photos + truth):
        return None
    # The official training part has no defects, so it cannot be kept.
    return _paired("MVTec", photos, truth, keep_parts=False)


def pairs(pictures: Sequence[str]) -> Layout | None:
    """Photos with their masks in folders for masks, or None in another form.

    The outermost folder for either decides. Where there are folders for images too, only what lies
    in them is a photo.
    """

    def side(file: str) -> str:
        roles = (role_of(name) for name in file.split("/")[:-1])
        return next((role for role in roles if role in ("images", "masks")), "")

    sides = {file: side(file) for file in pictures}
    masks = [file for file in pictures if sides[file] == "masks"]
    photos = [file for file in pictures if sides[file] == "images"]
    photos = photos or [file for file in pictures if not sides[file]]
    if not photos or not masks:
        return None
    found = _paired("image and mask folders", photos, masks, keep_parts=True)
    return found if any(one.masks for one in found.entries) else None


def _paired(form: str, photos: Sequence[str], masks: Sequence[str], *, keep_parts: bool) -> Layout:
    """Photos and masks in folders of their own, joined by part, class folder and stem."""

    def key(file: str, mask: bool) -> tuple[str, str, str]:
        path = PurePosixPath(file)
        stem = path.stem
        match = _MASK_SUFFIX.match(stem) if mask else None
        part = (part_of(file) or "") if keep_parts else ""
        folders = [name for name in path.parts[:-1] if not role_of(name)]
        return part, "/".join(folders), match["stem"] if match else stem

    by_key: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    loose: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in masks:
        # A photo may really be called a_mask; then its mask has that very name.
        exact = (*key(file, True)[:2], PurePosixPath(file).stem)
        for one in {key(file, True), exact}:
            by_key[one].append(file)
            loose[one[0], one[2]].append(file)
    alike = Counter((part, stem) for part, _, stem in (key(file, False) for file in photos))
    found = Layout(form)
    used: set[str] = set()
    for file in photos:
        part, folder, stem = key(file, False)
        own = by_key.get((part, folder, stem), [])
        if not own and not folder:
            own = loose.get((part, stem), [])
        if not own and alike[part, stem] == 1:
            own = by_key.get((part, "", stem), [])
        used.update(own)
        name = class_of(folder.split("/"))
        if not own and not is_clean(name):
            found.unmarked.append(Entry(file, split=part_of(file) if keep_parts else None))
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
            elif mask is None and not is_clean(name):
                found.unmarked.append(Entry(file, split=part_of(file)))
            else:
                pairs = ((_class_of_mask(name, ""), mask),) if mask is not None else ()
                found.entries.append(Entry(file, pairs, split=part_of(file)))
        orphans = [file for file in files if file not in paired and file not in photos]
        found.problems.extend(_without_image(file) for file in orphans)
    found.classes = _classes(found)
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


def _without_image(file: str) -> Problem:
    return Problem(file, "mask without image", "add the image of the same name, or remove the mask")
