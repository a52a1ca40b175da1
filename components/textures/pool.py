"""A pool of textures in memory, drawn once by all cores."""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from components.progress import track
from components.textures.draw import Mark, Texture, draw


@dataclass(frozen=True)
class Pool:
    """Pictures and what they show.

    Attributes:
        images: The pictures, (count, side, side, 3), RGB 0 .. 255.
        captions: Theirs.
        marks: The marks that can be seen in each.
    """

    images: NDArray[np.uint8]
    captions: list[str]
    marks: list[tuple[Mark, ...]]

    def save(self, path: Path) -> None:
        """Write the pool to a `.npz` file, whole or not at all."""
        flat = [(number, one) for number, marks in enumerate(self.marks) for one in marks]
        aside = path.with_suffix(".part.npz")
        np.savez(
            aside,
            images=self.images,
            captions=np.array(self.captions),
            owners=np.array([number for number, _ in flat], np.int64),
            names=np.array([one.name for _, one in flat], np.str_),
            masks=np.packbits([one.mask for _, one in flat], axis=-1),
        )
        aside.rename(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path) as kept:
            images, captions = kept["images"], kept["captions"].tolist()
            side = images.shape[2]
            marks: list[list[Mark]] = [[] for _ in captions]
            masks = np.unpackbits(kept["masks"], axis=-1, count=side).astype(bool)
            for owner, name, mask in zip(kept["owners"], kept["names"], masks, strict=True):
                marks[owner].append(Mark(str(name), mask))
        return cls(images, captions, [tuple(one) for one in marks])

    @property
    def marked(self) -> NDArray[np.bool_]:
        """Where the pictures have marks, (count, side, side)."""
        found = np.zeros(self.images.shape[:3], bool)
        for number, marks in enumerate(self.marks):
            for one in marks:
                found[number] |= one.mask
        return found


def fill(seed: int, count: int, side: int, workers: int = 2, first: int = 0) -> Pool:
    """Draw textures `first` to `first + count` of series `seed`."""
    images = np.empty((count, side, side, 3), np.uint8)
    numbers = range(first, first + count)
    if workers == 1:
        made: Iterable[Texture] = (draw(seed, index, side) for index in numbers)
        return _gathered(made, images)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_alone) as pool:
        made = pool.map(partial(_draw, seed, side), numbers, chunksize=64)
        return _gathered(made, images)


def _gathered(made: Iterable[Texture], images: NDArray[np.uint8]) -> Pool:
    captions: list[str] = []
    marks: list[tuple[Mark, ...]] = []
    for index, texture in enumerate(track(made, "textures", total=len(images), unit="pictures")):
        images[index] = texture.image
        captions.append(texture.caption)
        marks.append(texture.marks)
    return Pool(images, captions, marks)


def _draw(seed: int, side: int, index: int) -> Texture:
    return draw(seed, index, side)


def _alone() -> None:
    import cv2

    cv2.setNumThreads(1)
