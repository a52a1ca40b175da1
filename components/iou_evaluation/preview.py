"""Test frames with the true defects and with what every network found, side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.dataset import Dataset, Image, write_image
from components.instances import Instance, class_map, decode
from components.iou_evaluation.network import Network
from components.iou_evaluation.truth import Truth
from components.pictures import draw_masks, grid

ROWS = 8


def draw_predictions(path: Path, data: Dataset, truth: Truth, networks: Sequence[Network]) -> None:
    """Draw a few annotated test frames: the truth, then each network's detections.

    The frames are spread evenly over the part; they are not chosen by how well they went.

    Args:
        path: The picture to write; nothing is written when no test frame has a defect.
        data: The dataset.
        truth: The test part.
        networks: The segmenters, one column each after the truth.
    """
    images = [image for image, frame in truth.frames.items() if not frame.defect_free]
    if not images:
        return
    chosen = [images[int(i)] for i in np.linspace(0, len(images) - 1, min(ROWS, len(images)))]
    cells: list[Image] = []
    for image in chosen:
        frame = truth.frames[image]
        picture = data.image(frame)
        maps = [data.class_map(frame), *(_found(one, image, truth) for one in networks)]
        cells.extend(draw_masks(picture, one, len(truth.classes)) for one in maps)
    path.parent.mkdir(exist_ok=True)
    write_image(path, grid(cells, columns=1 + len(networks)))


def _found(network: Network, image: int, truth: Truth) -> NDArray[np.uint8]:
    side = truth.resolution
    found = [
        Instance(decode(one["segmentation"], side, side), one["category_id"] - 1)
        for one in sorted(network.predictions, key=lambda one: one["score"])
        if one["image_id"] == image and one["score"] >= network.threshold
    ]
    return class_map(found, side, side)
