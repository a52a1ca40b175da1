"""Photos annotated with labelme: a JSON file beside each photo with the outlines of its defects."""

import base64
import math
import posixpath
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from components.data_versioning.decode import Unusable, decode_mask
from components.data_versioning.entry import Entry, Layout, class_of, is_clean, leaves, part_of
from components.data_versioning.problems import Problem
from components.instances import encode

_KEYS = ("shapes", "imagePath", "imageHeight", "imageWidth")
_ROUND = 64
"""Corners of a circle's outline."""


def labelme_layout(documents: Mapping[str, Any], pictures: Sequence[str]) -> Layout | None:
    """The photos of labelme's files among `documents`, or None if there is no such file.

    Outlines of one group and label are one defect. Photos without a file are defect-free only in a
    folder that says so, for labelme writes none for them, and none for those still to be annotated.

    Args:
        documents: JSON documents by their path below the root.
        pictures: Paths of the pictures.
    """
    files = {
        file: document
        for file, document in sorted(documents.items())
        if isinstance(document, dict) and all(key in document for key in _KEYS)
    }
    if not files:
        return None
    found = Layout("labelme", annotations=tuple(files))
    # Of pictures of one stem the first: a photo is then found that was renamed, or is named by
    # its place on another machine.
    beside = {posixpath.splitext(one)[0]: one for one in sorted(pictures, reverse=True)}
    known, seen = set(pictures), set[str]()
    for file, document in files.items():
        path = _picture(file, str(document["imagePath"]), known, beside)
        if path is None:
            found.problems.append(leaves(f"{file}: {document['imagePath']}"))
            continue
        if path == "":
            found.problems.append(
                Problem(file, f"its image {document['imagePath']} is not there", "add the image")
            )
            continue
        seen.add(path)
        try:
            size = int(document["imageHeight"]), int(document["imageWidth"])
            shapes = _shapes(document["shapes"], size)
            entry = Entry(path, shapes=shapes, declared=size, split=part_of(path))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, Unusable) as error:
            remedy = "draw polygons, rectangles, circles or masks of the defects in labelme"
            found.problems.append(Problem(file, f"not usable ({error})", remedy))
        else:
            found.entries.append(entry)
    for file in sorted(known - seen):
        clean = is_clean(class_of(PurePosixPath(file).parts[:-1]))
        (found.entries if clean else found.unmarked).append(Entry(file, split=part_of(file)))
    found.classes = tuple(sorted({name for one in found.entries for name, _ in one.shapes}))
    return found


def _picture(file: str, named: str, known: set[str], beside: Mapping[str, str]) -> str | None:
    """Path of a file's picture, "" if it is not there, None if its name leads out of the root."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(file), named.replace("\\", "/")))
    if path in known:
        return path
    outside = None if path.startswith(("/", "..")) else ""
    return beside.get(posixpath.splitext(file)[0], outside)


def _shapes(shapes: Any, size: tuple[int, int]) -> tuple[tuple[str, Any], ...]:
    """(class, COCO segmentation) of each defect of a photo of that size, (height, width)."""
    single: list[tuple[str, Any]] = []
    groups: dict[tuple[str, Any], list[list[float]]] = defaultdict(list)
    for one in shapes:
        name, group = str(one["label"]), one.get("group_id")
        if one.get("shape_type") == "mask":
            single.append((name, _mask(one, size)))
        elif group is None:
            single.append((name, [_outline(one)]))
        else:
            groups[name, group].append(_outline(one))
    return (*single, *((name, outlines) for (name, _), outlines in groups.items()))


def _mask(shape: Any, size: tuple[int, int]) -> dict[str, Any]:
    """A mask that a model has drawn: a picture of the pixels in a box, both corners included."""
    mask = decode_mask(base64.b64decode(shape["mask"], validate=True))
    (left, top), (right, bottom) = ((round(float(x)), round(float(y))) for x, y in shape["points"])
    if mask.shape != (bottom - top + 1, right - left + 1):
        raise ValueError(f"a mask of {mask.shape[1]} x {mask.shape[0]} pixels in another box")
    if min(left, top) < 0 or bottom >= size[0] or right >= size[1]:
        raise ValueError("a mask that stands out of its image")
    whole = np.zeros(size, bool)
    whole[top : bottom + 1, left : right + 1] = mask
    return encode(whole)


def _outline(shape: Any) -> list[float]:
    """A shape as a polygon x, y, x, y, ..."""
    kind, points = shape.get("shape_type", "polygon"), shape["points"]
    if kind in ("polygon", "oriented_rectangle"):
        if len(points) < 3:
            raise ValueError(f"a polygon of {len(points)} points")
        return [value for x, y in points for value in (x, y)]
    if kind == "rectangle":
        across, down = ([point[axis] for point in points] for axis in (0, 1))
        left, right, top, bottom = min(across), max(across), min(down), max(down)
        return [left, top, right, top, right, bottom, left, bottom]
    if kind == "circle":
        (x, y), (edge_x, edge_y) = points
        radius = math.hypot(edge_x - x, edge_y - y)
        angles = [2 * math.pi * number / _ROUND for number in range(_ROUND)]
        return [
            value
            for angle in angles
            for value in (x + radius * math.cos(angle), y + radius * math.sin(angle))
        ]
    raise ValueError(f"a shape of the type {kind!r} has no area")
