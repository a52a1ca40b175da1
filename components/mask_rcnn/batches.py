"""Batches: which images a step sees, and the light augmentation that every regime gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.dataset import Dataset, Frame, Image
from components.instances import Instance
from components.mask_rcnn.joined import Example, Other, join
from components.synthetic import Provenance, SyntheticSet

_CONTRAST = 0.2
_BRIGHTNESS = 0.1


class Pool(Protocol):
    """Annotated images to draw from; pixels are read when asked for."""

    def __len__(self) -> int: ...

    def example(self, index: int) -> Example:
        """Picture (side, side, 3) and defects of one image."""


@dataclass(frozen=True)
class RealPool:
    """Frames of a dataset."""

    dataset: Dataset
    frames: Sequence[Frame]

    def __len__(self) -> int:
        return len(self.frames)

    def example(self, index: int) -> Example:
        """Picture (side, side, 3) and defects of one frame."""
        frame = self.frames[index]
        return self.dataset.image(frame), self.dataset.instances(frame)


@dataclass(frozen=True)
class SyntheticPool:
    """All images of a synthetic set, each with the defects of those that it can be joined with."""

    synthetic: SyntheticSet

    def __len__(self) -> int:
        return len(self.synthetic.images)

    def example(self, index: int) -> Example:
        """Picture (side, side, 3) and defects, as they were asked for, of one image and others."""
        one = self.synthetic.images[index]
        same = self._grounds[one.ground]
        place = same.index(one)
        others = (
            Other(self.synthetic.instances(each), partial(self.synthetic.image, each))
            for each in same[place + 1 :] + same[:place]
            if each.driver != one.driver
        )
        return join(self.synthetic.image(one), self.synthetic.instances(one), others)

    @cached_property
    def _grounds(self) -> dict[str, list[Provenance]]:
        found: dict[str, list[Provenance]] = {}
        for one in self.synthetic.images:
            found.setdefault(one.ground, []).append(one)
        return found


def draw(pool: Pool, batch: int, seed: int, step: int) -> tuple[Tensor, list[list[Instance]]]:
    """The batch of one step; the same for the same pool, seed and step.

    An image is drawn twice in a batch only where the pool is smaller than the batch.

    Returns:
        Images (batch, 3, side, side), 0 .. 1, and the instances of each.
    """
    random = np.random.default_rng([seed, step])
    chosen = random.choice(len(pool), batch, replace=len(pool) < batch)
    pictures, truth = [], []
    for index in chosen:
        picture, instances = augment(*pool.example(int(index)), random)
        pictures.append(picture)
        truth.append(instances)
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous(), truth


def augment(
    picture: Image, instances: Sequence[Instance], random: np.random.Generator
) -> tuple[NDArray[np.float32], list[Instance]]:
    """Mirror an image with its defects and vary its contrast and brightness a little.

    Always takes the same number of random numbers.

    Returns:
        The picture, (side, side, 3), 0 .. 1, and its instances.
    """
    upside_down, mirrored = random.random(2) < 0.5
    contrast = random.uniform(1 - _CONTRAST, 1 + _CONTRAST)
    brightness = random.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    order = (slice(None, None, -1 if upside_down else 1), slice(None, None, -1 if mirrored else 1))
    grey = (picture[order].astype(np.float32) / 255 - 0.5) * contrast + 0.5 + brightness
    moved = [Instance(np.ascontiguousarray(one.mask[order]), one.label) for one in instances]
    return np.clip(grey, 0, 1).astype(np.float32), moved


def stack(pictures: Sequence[Image]) -> Tensor:
    """Pictures (side, side, 3) as one tensor (count, 3, side, side), 0 .. 1."""
    values = np.stack(pictures).astype(np.float32) / 255
    return torch.from_numpy(values).permute(0, 3, 1, 2).contiguous()
