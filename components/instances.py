"""Defect instances: masks, run-length codes, boxes, and their COCO form."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
"""A binary mask (height, width)."""


@dataclass(frozen=True)
class Instance:
    """One defect.

    Attributes:
        mask: Its pixels, (height, width).
        label: Index of its class, 0 .. number of classes - 1.
    """

    mask: Mask
    label: int


def connected(mask: Mask, label: int, smallest: int = 1) -> list[Instance]:
    """Split a class mask into its 8-connected components, largest first.

    Args:
        mask: (height, width); True where the class is.
        label: Index of the class.
        smallest: Components of fewer pixels are dropped.
    """
    import cv2

    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    order = sorted(range(1, count), key=lambda part: (-int(areas[part]), part))
    return [Instance(parts == part, label) for part in order if areas[part] >= smallest]


def box(mask: Mask) -> tuple[int, int, int, int]:
    """Tight box (x, y, width, height) in pixels; all zero for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if rows.size == 0:
        return 0, 0, 0, 0
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def class_map(instances: Iterable[Instance], height: int, width: int) -> NDArray[np.uint8]:
    """Paint instances into one map (height, width): 0 background, label + 1 inside a defect.

    Where instances overlap, the later one wins.
    """
    painted = np.zeros((height, width), np.uint8)
    for instance in instances:
        painted[instance.mask] = instance.label + 1
    return painted


def encode(mask: Mask) -> dict[str, Any]:
    """Run-length code of a mask in COCO's compressed form, JSON-ready."""
    from pycocotools import mask as rle

    code = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in code["size"]], "counts": code["counts"].decode()}


def decode(segmentation: Any, height: int, width: int) -> Mask:
    """Mask (height, width) of any COCO segmentation: polygons, RLE, or compressed RLE.

    Raises:
        ValueError: If the segmentation has none of COCO's three forms or another size.
    """
    from pycocotools import mask as rle

    if isinstance(segmentation, list):
        if not segmentation:
            return np.zeros((height, width), bool)
        code = rle.merge(rle.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation, dict) and "counts" in segmentation:
        if list(segmentation.get("size", [])) != [height, width]:
            raise ValueError(
                f"segmentation is {segmentation.get('size')}, its image is {[height, width]}"
            )
        counts = segmentation["counts"]
        code = (
            rle.frPyObjects(segmentation, height, width)
            if isinstance(counts, list)
            else {"size": [height, width], "counts": counts}
        )
    else:
        raise ValueError("segmentation is neither polygons nor a run-length code")
    return rle.decode(code).astype(bool)


def to_coco(
    images: Sequence[tuple[str, int, int]],
    instances: Sequence[Sequence[Instance]],
    classes: Sequence[str],
) -> dict[str, Any]:
    """COCO instances document.

    Image ids count from 1 in the order given, category ids are label + 1, annotation ids count
    from 1.

    Args:
        images: (file name, height, width) of every image.
        instances: The instances of every image, in the same order.
        classes: Class names; their order defines the labels.
    """
    annotations: list[dict[str, Any]] = []
    for image_id, found in enumerate(instances, start=1):
        for instance in found:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": instance.label + 1,
                    "segmentation": encode(instance.mask),
                    "area": int(instance.mask.sum()),
                    "bbox": list(box(instance.mask)),
                    "iscrowd": 0,
                }
            )
    return {
        "info": {"description": "written by defectory"},
        "licenses": [],
        "images": [
            {"id": number, "file_name": name, "height": height, "width": width}
            for number, (name, height, width) in enumerate(images, start=1)
        ],
        "annotations": annotations,
        "categories": [
            {"id": label + 1, "name": name, "supercategory": "defect"}
            for label, name in enumerate(classes)
        ],
    }


def from_coco(document: dict[str, Any]) -> dict[str, list[Instance]]:
    """Instances by image file name, from a document written by `to_coco`."""
    images = {image["id"]: image for image in document["images"]}
    found: dict[str, list[Instance]] = {image["file_name"]: [] for image in images.values()}
    for annotation in document["annotations"]:
        image = images[annotation["image_id"]]
        mask = decode(annotation["segmentation"], image["height"], image["width"])
        found[image["file_name"]].append(Instance(mask, annotation["category_id"] - 1))
    return found
