"""The page's pictures: drivers, samples, real photos, and what the steps left to look at.

Pictures are shrunk and compressed until all of them together fit the page's budget.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from components.dataset import Dataset, Frame, Image, read_image
from components.pictures import class_colours, draw_masks
from components.synthetic import Provenance, SyntheticSet, varied

T = TypeVar("T")

SHOTS_BUDGET = 2_200_000
SHEETS_BUDGET = 1_900_000
"""Most bytes of compressed pictures; base64 makes them a third larger."""

DRIVERS = 4
MOST_DRIVERS = 8
"""Drivers shown for every fraction: one a class, but at least and at most so many."""

_SHOTS = ((208, 88), (176, 84), (144, 80), (112, 76), (88, 70), (64, 60), (48, 50))
_SHEETS = ((1200, 86), (1000, 80), (800, 76), (640, 70), (480, 60), (320, 50))
"""Longest side in pixels and JPEG quality, tried from the left."""


@dataclass(frozen=True)
class Shot:
    """A picture of one frame.

    Attributes:
        pixels: The picture, (side, side, 3).
        masks: Its defects, label + 1 or 0, to be outlined; None to show it as it is.
        classes: Number of classes.
        caption: What it is, written below it.
    """

    pixels: Image
    masks: NDArray[np.uint8] | None
    classes: int
    caption: str


@dataclass(frozen=True)
class Strip:
    """A row of pictures that belong together.

    Attributes:
        title: What they have in common; may be empty.
        shots: The pictures.
    """

    title: str
    shots: Sequence[Shot]


@dataclass(frozen=True)
class Sheet:
    """A picture that a step left in `preview/`.

    Attributes:
        pixels: The picture.
        caption: Where it is from.
    """

    pixels: Image
    caption: str


def outlined(shot: Shot, side: int) -> Image:
    """The shot at another size, its masks drawn on there, so that outlines stay fine.

    A mask keeps every pixel that it touches: a hairline crack does not vanish when it shrinks.
    """
    small = _resize(shot.pixels, side)
    if shot.masks is None:
        return small
    painted = np.zeros(small.shape[:2], np.uint8)
    for label in range(shot.classes):
        inside = (shot.masks == label + 1).astype(np.float32)
        shrinks = side < max(inside.shape)
        way = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
        kept = cv2.resize(inside, small.shape[1::-1], interpolation=way)
        painted[kept > 0] = label + 1
    return draw_masks(small, painted, shot.classes)


def shot_sources(shots: Sequence[Shot]) -> list[str]:
    """Data URIs of shots, as large as the budget lets them be."""
    for side, quality in _SHOTS:
        codes = [_jpeg(outlined(shot, side), quality) for shot in shots]
        if sum(map(len, codes)) <= SHOTS_BUDGET:
            break
    return [_uri(code) for code in codes]


def sheet_sources(sheets: Sequence[Sheet]) -> list[str]:
    """Data URIs of sheets, as large as the budget lets them be."""
    for side, quality in _SHEETS:
        codes = [_jpeg(_resize(sheet.pixels, min(side, max(sheet.pixels.shape))), quality)
                 for sheet in sheets]  # fmt: skip
        if sum(map(len, codes)) <= SHEETS_BUDGET:
            break
    return [_uri(code) for code in codes]


def previews(folder: Path, what: str, most: int = 4) -> list[Sheet]:
    """What a step left to look at: the first PNGs of its `preview/`."""
    paths = sorted((folder / "preview").glob("*.png"))
    return [
        Sheet(read_image(path), f"{what}: {path.stem.replace('_', ' ').replace('-', ' ')}")
        for path in paths[:most]
    ]


def samples(synthetic: SyntheticSet, classes: int, count: int) -> Strip:
    """Evenly chosen synthetic images of a set, their requested masks outlined."""
    chosen = [_shot(synthetic, one, classes) for one in evenly(synthetic.images, count)]
    return Strip("", chosen)


def real(dataset: Dataset, fraction: float, count: int) -> Strip:
    """Evenly chosen annotated training frames of a fraction, their masks outlined."""
    frames = evenly(dataset.frames("train", fraction=fraction), count)
    return Strip("", [_real_shot(dataset, frame) for frame in frames])


def driven(
    dataset: Dataset,
    synthetic: SyntheticSet,
    shown: dict[str, tuple[Image, Image]],
    most: int = 2,
) -> list[Strip]:
    """Drivers, each with samples it made, plain and outlined, and the frame that gave the mask.

    Args:
        dataset: The dataset artifact.
        synthetic: The synthetic set.
        shown: Per driver its source (side, side, 3) and the driver itself (side, side, 3).
        most: Samples shown of each.
    """
    classes = len(dataset.classes)
    frames = {frame.id: frame for frame in dataset.all_frames}
    groups: dict[str, list[Provenance]] = {}
    for one in synthetic.images:
        groups.setdefault(one.driver, []).append(one)
    strips = []
    for driver in pick_drivers(synthetic.images, dataset.classes):
        made = groups[driver]
        shots = [
            Shot(picture, None, classes, caption)
            for picture, caption in zip(
                shown.get(driver, ()), ("defect-free photo", "driver"), strict=False
            )
        ]
        for number, one in enumerate(made[:most], start=1):
            drawn = synthetic.image(one)
            shots.append(Shot(drawn, None, classes, f"sample {number}"))
            shots.append(Shot(drawn, synthetic.class_map(one), classes, "its requested mask"))
        if made[0].mask in frames:
            shots.append(_real_shot(dataset, frames[made[0].mask], "real, gave the mask"))
        strips.append(Strip(made[0].defect, shots))
    return strips


def pick_drivers(images: Sequence[Provenance], classes: Sequence[str]) -> list[str]:
    """Names of drivers, one class after the other."""
    count = min(max(DRIVERS, len(classes)), MOST_DRIVERS)
    return [one.driver for one in varied(images, classes, count)]


def evenly(items: Sequence[T], count: int) -> list[T]:
    """At most `count` items, evenly spaced over all of them."""
    if len(items) <= count:
        return list(items)
    return [items[number * len(items) // count] for number in range(count)]


def swatches(classes: Sequence[str]) -> list[tuple[str, str]]:
    """(class name, colour for the page) of every class, as outlines are drawn."""
    return [
        (name, f"rgb({r}, {g}, {b})")
        for name, (r, g, b) in zip(classes, class_colours(len(classes)).tolist(), strict=True)
    ]


def _shot(synthetic: SyntheticSet, one: Provenance, classes: int) -> Shot:
    return Shot(synthetic.image(one), synthetic.class_map(one), classes, one.defect)


def _real_shot(dataset: Dataset, frame: Frame, caption: str = "") -> Shot:
    instances = dataset.instances(frame)
    names = sorted({dataset.classes[one.label] for one in instances})
    return Shot(
        dataset.image(frame), dataset.class_map(frame), len(dataset.classes),
        caption or ", ".join(names),
    )  # fmt: skip


def _resize(picture: Image, longest: int) -> Image:
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    if scale == 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)


def _jpeg(picture: Image, quality: int) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    # Thin coloured outlines smear when colour is stored at half the resolution.
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, code = cv2.imencode(".jpg", np.ascontiguousarray(picture[:, :, ::-1]), options)
    if not done:
        raise OSError("a picture of the report cannot be encoded as JPEG")
    return bytes(code)


def _uri(code: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(code).decode()
