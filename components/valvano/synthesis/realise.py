"""Turn a row of the plan into what it stands for; nothing is left to chance."""

import functools
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.dataset import Dataset, Frame, Image
from components.instances import Instance, Mask, class_map
from components.valvano.driver_extraction.driver import driver
from components.valvano.driver_extraction.recipe import Recipe
from components.valvano.synthesis.augment import augment
from components.valvano.synthesis.perturb import perturb
from components.valvano.synthesis.row import Row
from components.valvano.synthesis.structure import whole


@dataclass(frozen=True)
class Realised:
    """What a row of the plan stands for.

    Attributes:
        picture: The augmented defect-free photo, RGB, (side, side, 3).
        instances: The perturbed and placed defects, none empty, (side, side).
        driver: The driver of both, RGB, (side, side, 3).
    """

    picture: Image
    instances: list[Instance]
    driver: Image


def realise(row: Row, dataset: Dataset, recipe: Recipe) -> Realised:
    """The photo, the defects and the driver of a row: a pure function of its arguments.

    Raises:
        ValueError: If the row names a frame, an instance or a class that the dataset has not.
    """
    if row.defect not in dataset.classes:
        raise ValueError(
            f"row {row.id} asks for class {row.defect!r}, the dataset has {dataset.classes}; "
            "make the plan of this dataset anew"
        )
    label = dataset.classes.index(row.defect)
    side = dataset.resolution
    picture = augment(dataset.image(frame_of(dataset, row.source)), row.augmentation)
    masks = masks_of(dataset, frame_of(dataset, row.mask), row.numbers)
    placed = perturb(masks, row.perturbation).placed(row.dx, row.dy, side)
    instances = [Instance(mask, label) for mask in placed]
    return Realised(picture, instances, driver(picture, class_map(instances, side, side), recipe))


def frame_of(dataset: Dataset, name: str) -> Frame:
    """The frame of an id.

    Raises:
        ValueError: If there is none.
    """
    place = bisect_left(dataset.all_frames, name, key=lambda frame: frame.id)
    if place < len(dataset.all_frames) and dataset.all_frames[place].id == name:
        return dataset.all_frames[place]
    raise ValueError(f"the dataset has no frame {name!r}; make the plan of this dataset anew")


def masks_of(dataset: Dataset, frame: Frame, numbers: Sequence[int]) -> list[Mask]:
    """Masks of some of a frame's instances, closed where they leave out a hole of the sheet.

    Raises:
        ValueError: If the frame has no such instance.
    """
    masks = _masks(dataset, frame)
    if max(numbers) >= len(masks):
        raise ValueError(
            f"frame {frame.id!r} has {len(masks)} instances, the plan asks for {numbers}; "
            "make the plan of this dataset anew"
        )
    return [masks[number] for number in numbers]


@functools.lru_cache(maxsize=256)
def _masks(dataset: Dataset, frame: Frame) -> list[Mask]:
    """Those of all instances of a frame: a plan asks for the same ones again and again."""
    masks = [one.mask for one in dataset.instances(frame)]
    picture = dataset.image(frame)
    return [whole(mask, np.logical_or.reduce(masks), picture) for mask in masks]
