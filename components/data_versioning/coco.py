"""Photos listed by COCO instance files."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from components.data_versioning.entry import Entry, Layout, leaves, part_of, part_of_name
from components.data_versioning.problems import Problem

_KEYS = ("images", "annotations", "categories")


def coco_layout(root: Path, documents: Mapping[str, Any]) -> Layout | None:
    """The photos that the COCO files among `documents` list, or None if there is no such file.

    Files called, or lying in folders called, train, val and test define those parts.

    Args:
        root: The folder.
        documents: JSON documents by their path below it.
    """
    documents = {
        file: document
        for file, document in documents.items()
        if isinstance(document, dict) and all(isinstance(document.get(k), list) for k in _KEYS)
    }
    if not documents:
        return None
    found = Layout("COCO", annotations=tuple(sorted(documents)))
    names: dict[str, int] = {}  # the smallest category id of each class
    for file, document in sorted(documents.items()):
        try:
            _read(root, file, document, found, names)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            found.problems.append(
                Problem(
                    file, f"not valid COCO ({type(error).__name__}: {error})", "export it again"
                )
            )
    found.entries = _merged(found.entries)
    listed = {name for entry in found.entries for name, _ in entry.shapes}
    found.classes = tuple(
        name for name in sorted(names, key=lambda one: (names[one], one)) if name in listed
    )
    return found


def _read(
    root: Path, file: str, document: dict[str, Any], found: Layout, names: dict[str, int]
) -> None:
    categories = {one["id"]: str(one["name"]) for one in document["categories"]}
    for identifier, name in sorted(categories.items()):
        names[name] = min(int(identifier), names.get(name, int(identifier)))
    shapes: dict[Any, list[tuple[str, Any]]] = defaultdict(list)
    for one in document["annotations"]:
        if one["category_id"] not in categories:
            raise ValueError(f"annotation of category {one['category_id']}, which is not listed")
        shapes[one["image_id"]].append((categories[one["category_id"]], one.get("segmentation")))
    split = part_of_name(PurePosixPath(file).stem) or part_of(file)
    known = {image["id"] for image in document["images"]}
    for identifier in shapes.keys() - known:
        found.problems.append(
            Problem(file, f"annotation of image {identifier}, which is not listed", "export again")
        )
    for image in document["images"]:
        name = str(image["file_name"])
        path = _locate(root, file, name)
        if path is None:
            found.problems.append(leaves(name))
        elif path == "":
            found.problems.append(
                Problem(name, f"named in {file}, but not in the folder", "add the image")
            )
        else:
            found.entries.append(
                Entry(
                    path,
                    shapes=tuple(shapes[image["id"]]),
                    declared=(int(image["height"]), int(image["width"])),
                    split=split,
                )
            )


def _merged(entries: Sequence[Entry]) -> list[Entry]:
    """Entries with the annotations of one photo together, where several files list it."""
    merged: dict[tuple[str, str | None], Entry] = {}
    for entry in entries:
        before = merged.get((entry.file, entry.split))
        shapes = entry.shapes if before is None else before.shapes + entry.shapes
        merged[entry.file, entry.split] = replace(entry, shapes=shapes)
    return list(merged.values())


def _locate(root: Path, file: str, name: str) -> str | None:
    """Path of an image below the root, "" if it is not there, None if its name leads out."""
    home = root.resolve()
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
        return None
    folder = PurePosixPath(file).parent
    places = [folder, PurePosixPath(), folder / "images", PurePosixPath("images")]
    part = part_of_name(PurePosixPath(file).stem)
    if part is not None:
        stem = PurePosixPath(file).stem
        places += [PurePosixPath(part), PurePosixPath("images", part), PurePosixPath(stem)]
    for place in places:
        path = root / place / pure
        if path.is_symlink() and not path.resolve().is_relative_to(home):
            return None
        if path.is_file():
            return (
                path.relative_to(root).as_posix() if path.resolve().is_relative_to(home) else None
            )
    return ""
