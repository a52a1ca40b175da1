"""The test part as pycocotools wants it, and what is drawn again and again for the intervals."""

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO

from components.dataset import Dataset, Frame


@dataclass(frozen=True)
class Truth:
    """The held-out frames and their defects.

    Attributes:
        frames: The frames by their COCO image id, annotated and defect-free, in ascending order.
        coco: Their annotations.
        unit: For every image id the number of the resampled unit that it belongs to. A unit is a
            group of photos of one physical piece: its photos resemble each other, so they are
            drawn together, and where nothing is known of pieces a group is one photo.
        units: Number of units.
        classes: Names of the classes.
        resolution: Side of the frames, pixels.
    """

    frames: dict[int, Frame]
    coco: COCO
    unit: dict[int, int]
    units: int
    classes: tuple[str, ...]
    resolution: int

    @property
    def photos(self) -> int:
        """Number of photos that the frames were cut from."""
        return len({frame.photo for frame in self.frames.values()})

    @property
    def instances(self) -> int:
        """Number of annotated defects."""
        return len(self.coco.dataset["annotations"])

    def count(self, *, defect_free: bool) -> NDArray[np.int64]:
        """Number of frames of every unit, (units,)."""
        counts = np.zeros(self.units, np.int64)
        for image, frame in self.frames.items():
            counts[self.unit[image]] += frame.defect_free == defect_free
        return counts


def read_truth(dataset: Dataset) -> Truth:
    """The test part of a dataset."""
    document = json.loads((dataset.path / "frames" / "annotations.json").read_text())
    wanted = {frame.file: frame for frame in dataset.all_frames if frame.split == "test"}
    frames = {
        int(image["id"]): wanted[image["file_name"]]
        for image in sorted(document["images"], key=lambda image: image["id"])
        if image["file_name"] in wanted
    }
    groups = sorted({frame.group for frame in frames.values()})
    number = {group: place for place, group in enumerate(groups)}
    return Truth(
        frames=frames,
        coco=index(
            {
                **document,
                "images": [image for image in document["images"] if image["id"] in frames],
                "annotations": [
                    one for one in document["annotations"] if one["image_id"] in frames
                ],
            }
        ),
        unit={image: number[frame.group] for image, frame in frames.items()},
        units=len(groups),
        classes=dataset.classes,
        resolution=dataset.resolution,
    )


def index(document: dict[str, Any]) -> COCO:
    """A COCO document in pycocotools' form, without pycocotools' chatter."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = document
        coco.createIndex()
    return coco
