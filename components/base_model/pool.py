"""A pool of textures in memory, drawn once by all cores."""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from components.base_model.textures import Texture, draw
from components.progress import track


@dataclass(frozen=True)
class Pool:
    """Pictures (count, side, side, 3), RGB 0 .. 255, and their captions."""

    images: NDArray[np.uint8]
    captions: list[str]


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
    for index, texture in enumerate(track(made, "textures", total=len(images), unit="pictures")):
        images[index] = texture.image
        captions.append(texture.caption)
    return Pool(images, captions)


def _draw(seed: int, side: int, index: int) -> Texture:
    return draw(seed, index, side)


def _alone() -> None:
    import cv2

    cv2.setNumThreads(1)
