"""Make the driver of every annotated training frame."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from components.dataset import Dataset, Frame, Image, read_image, write_image
from components.outcome import Outcome
from components.pictures import draw_masks, grid
from components.progress import track
from components.valvano.driver_extraction.driver import brightened, driver
from components.valvano.driver_extraction.recipe import Recipe, make_recipe, write_recipe
from components.valvano.driver_extraction.settings import DriverSettings

SHOWN = 6
"""Pairs of photo and driver in the preview."""

EMPTY, FULL = 0.001, 0.5
"""Shares of structure outside of which drivers say nothing about the photo."""


def extract(out: Path, settings: DriverSettings, dataset: Path) -> Outcome:
    """Write `recipe.json` and `drivers/<frame id>.png` for the annotated training frames.

    The frames of all fractions get their driver; a training takes those of its own fraction.
    Drivers that an interrupted try has written are kept.

    Args:
        out: The folder of the result.
        settings: The numbers of the recipe.
        dataset: The dataset artifact.

    Returns:
        `drivers`, their number, and `structure`, the mean share of pixels that geometry takes.

    Raises:
        ValueError: If the training part has no annotated frame.
    """
    data = Dataset(dataset)
    frames = data.frames("train")
    if not frames:
        raise ValueError(
            f"dataset {data.about.source!r} has no annotated training frame, so there is nothing "
            "to make a driver of; annotate photos or make the other parts smaller"
        )
    recipe = make_recipe(settings, data.classes, data.resolution)
    write_recipe(out, recipe)
    (out / "drivers").mkdir(exist_ok=True)
    # One picture a thread is faster than one picture by several.
    cv2.setNumThreads(1)
    data.instances(frames[0])  # Reads all annotations once, before the threads ask for them.

    def one(frame: Frame) -> float:
        file = out / "drivers" / frame.file
        if file.exists():
            return _structure(read_image(file), recipe)
        made = driver(data.image(frame), data.class_map(frame), recipe)
        write_image(file, made, flat=True)
        return _structure(made, recipe)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        shares = list(track(pool.map(one, frames), "drivers", total=len(frames), unit="frames"))
    share = float(np.mean(shares))
    _preview(out, data, frames, recipe)
    return Outcome(metrics={"drivers": len(frames), "structure": share}, warnings=_warnings(share))


def _structure(made: Image, recipe: Recipe) -> float:
    """Share of the pixels that are geometry of at least half the ceiling."""
    # A saturated colour has a channel of 0, geometry has three alike.
    levels = cv2.inRange(made, ((recipe.ceiling + 1) // 2,) * 3, (255,) * 3)
    return cv2.countNonZero(levels) / levels.size


def _warnings(share: float) -> list[str]:
    if share < EMPTY:
        told = (
            f"Drivers hold almost no geometry ({share:.2%} of the pixels): photos made from them "
            "will not keep the defect-free photo's structure. Lower driver_extraction.constant."
        )
        return [told]
    if share > FULL:
        told = (
            f"Drivers are {share:.0%} geometry, which is texture rather than structure. Raise "
            "driver_extraction.constant or lower driver_extraction.scale."
        )
        return [told]
    return []


def _preview(out: Path, data: Dataset, frames: list[Frame], recipe: Recipe) -> None:
    chosen = np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).round().astype(int)
    pictures = []
    for frame in (frames[number] for number in chosen):
        drawn = draw_masks(data.image(frame), data.class_map(frame), len(data.classes))
        pictures += [drawn, brightened(read_image(out / "drivers" / frame.file), recipe)]
    (out / "preview").mkdir(exist_ok=True)
    write_image(out / "preview" / "drivers.png", grid(pictures, columns=6))
