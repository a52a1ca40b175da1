"""The images that keep best and worst to their masks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.dataset import Image, write_image
from components.fid_evaluation.examine import Finding
from components.instances import class_map
from components.pictures import draw_masks, grid

COLUMNS = 8
LARGEST = 256
"""Side that pictures are scaled down to."""


def draw_best_and_worst(path: Path, found: Sequence[Finding], classes: int) -> None:
    """Draw the most adherent images above, the least adherent below, their masks outlined.

    They are ordered by the judge's tolerant IoU, then by how the mask stands out.

    Args:
        path: The picture to write; nothing is written when there are no images.
        found: What was seen in every image.
        classes: Number of classes.
    """
    if not found:
        return
    columns = min(COLUMNS, len(found))
    ranked = sorted(found, key=_adherence, reverse=True)
    shown = [*ranked[:columns], *ranked[-columns:]]
    path.parent.mkdir(exist_ok=True)
    write_image(path, grid([_outlined(one, classes) for one in shown], columns))


def _adherence(one: Finding) -> tuple[float, float, str]:
    rank = one.standing.rank if one.standing and np.isfinite(one.standing.rank) else 0.0
    return one.verdict.iou_tolerant, rank, one.sample.id


def _outlined(one: Finding, classes: int) -> Image:
    import cv2

    picture = one.sample.read()
    height, width, _ = picture.shape
    drawn = draw_masks(picture, class_map(one.sample.instances(), height, width), classes)
    if max(height, width) <= LARGEST:
        return drawn
    scale = LARGEST / max(height, width)
    size = (round(width * scale), round(height * scale))
    return np.asarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA), np.uint8)
