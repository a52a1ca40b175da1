"""Deal masks and defect-free photos to drivers.

They are dealt, not drawn: classes get equal shares, the masks of a class and the defect-free frames
come up equally often, and chance only decides the order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TypeVar

import numpy as np

from components.dataset import Dataset, Frame
from components.valvano.synthesis.settings import PlanSettings

ORDER = 0
"""Stream of random numbers that only decides the order."""

T = TypeVar("T")


@dataclass(frozen=True)
class Shape:
    """A mask to take: all instances of one class in one annotated frame.

    Attributes:
        frame: The annotated frame.
        numbers: Numbers of its instances.
        defect: Name of their class.
    """

    frame: Frame
    numbers: tuple[int, ...]
    defect: str


@dataclass(frozen=True)
class Version:
    """A defect-free photo to put masks on.

    Attributes:
        frame: The frame.
        photo: Its number among the defect-free training frames.
        number: Which of its augmented versions it is; 0 is the frame itself.
        group: Number of the drivers' group that shares it.
    """

    frame: Frame
    photo: int
    number: int
    group: int

    @property
    def name(self) -> str:
        """Its name. Another group has another, should the same version be dealt to it too."""
        return f"{self.frame.id}.{self.number}.{self.group}"


def shapes_of(data: Dataset, fraction: float) -> list[Shape]:
    """The masks of a fraction's training frames."""
    found = []
    for frame in data.frames("train", fraction=fraction):
        labels = [one.label if one.mask.any() else None for one in data.instances(frame)]
        for label, name in enumerate(data.classes):
            numbers = tuple(number for number, one in enumerate(labels) if one == label)
            if numbers:
                found.append(Shape(frame, numbers, name))
    return found


def deal_shapes(shapes: Sequence[Shape], count: int, seed: int) -> list[Shape]:
    """`count` masks: the classes in turn, and within a class its masks in turn."""
    rng = np.random.default_rng([seed, ORDER, 0])
    names = sorted({shape.defect for shape in shapes})
    turns = {
        name: _turns([shape for shape in shapes if shape.defect == name], rng) for name in names
    }
    order = [names[number] for number in rng.permutation(len(names))]
    return [next(turns[name]) for name in islice(cycle(order), count)]


def deal_versions(
    clean: Sequence[Frame], count: int, settings: PlanSettings, seed: int
) -> list[Version]:
    """`count` versions of defect-free frames: all frames in turn as they are, then varied.

    A version is dealt to as many drivers in a row as share it.
    """
    rng = np.random.default_rng([seed, ORDER, 1])
    turns = _turns(range(len(clean)), rng)
    dealt = []
    for group in range(-(-count // settings.together)):
        photo, number = next(turns), group // len(clean) % settings.augmentations
        dealt += [Version(clean[photo], photo, number, group)] * settings.together
    return dealt[:count]


def _turns(items: Sequence[T], rng: np.random.Generator) -> Iterator[T]:
    """All items in a random order, then all again in another."""
    while True:
        for number in rng.permutation(len(items)):
            yield items[number]
