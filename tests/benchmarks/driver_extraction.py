"""Driver extraction against OpenCV calls: `python tests/benchmarks/driver_extraction.py`.

Images a second on one core at 512 px, and the ratio, above 1 where ours is faster: once of the
driver alone, once of the whole step with its files. The plain loop is the paper's recipe as it is
written down, without the rim that keeps a driver from telling of its defect; ours has it.
"""

import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from components.dataset import About, Dataset, Frame, Image, Photo, write_dataset
from components.instances import Instance
from components.valvano.driver_extraction.driver import driver
from components.valvano.driver_extraction.extract import extract
from components.valvano.driver_extraction.recipe import make_recipe
from components.valvano.driver_extraction.settings import DriverSettings

sys.path.insert(0, str(Path(__file__).parents[1]))
from photos import CLASSES, draw_piece, expose

SIDE = 512
IMAGES = 150
ROUNDS = 5
RECIPE = make_recipe(DriverSettings(), CLASSES, SIDE)


def plain(picture: Image, class_map: NDArray[np.uint8]) -> Image:
    """The paper's steps, one OpenCV call each."""
    small = cv2.resize(
        picture, None, fx=RECIPE.scale, fy=RECIPE.scale, interpolation=cv2.INTER_AREA
    )
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    window = round(RECIPE.window * grey.shape[0]) // 2 * 2 + 1
    binary = cv2.adaptiveThreshold(
        grey,
        255,
        cv2.ADAPTIVE_THRESH_MEAN_C,
        cv2.THRESH_BINARY_INV,
        window,
        RECIPE.constant,
    )
    back = cv2.resize(binary, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    dim = cv2.convertScaleAbs(back, alpha=RECIPE.ceiling / 255)
    made = cv2.cvtColor(dim, cv2.COLOR_GRAY2RGB)
    for number, colour in enumerate(RECIPE.colours.values(), start=1):
        made[class_map == number] = colour
    return made


def plain_step(dataset: Path, out: Path) -> None:
    """The same with files."""
    data = Dataset(dataset)
    for frame in data.frames("train"):
        read = cv2.imread(str(dataset / "frames" / "images" / frame.file))
        picture = cv2.cvtColor(read, cv2.COLOR_BGR2RGB)
        made = plain(picture, data.class_map(frame))
        cv2.imwrite(str(out / frame.file), cv2.cvtColor(made, cv2.COLOR_RGB2BGR))


def compare(what: str, ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    """One line of the result: images a second of a core's own time, taken in turns."""
    times: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for call, found in zip((ours, theirs), times, strict=True):
            started = time.process_time()
            with contextlib.redirect_stdout(io.StringIO()):
                call()
            found.append(time.process_time() - started)
    our, their = (IMAGES / min(found) for found in times)
    print(f"{what:<24} {our:8.0f} images/s/core  plain loop {their:8.0f}  {our / their:5.2f} x")


def draw_dataset(out: Path) -> Path:
    """A dataset artifact of annotated training frames."""
    out.mkdir()
    photos, frames, pixels = [], [], []
    for number in range(IMAGES):
        label = number % len(CLASSES)
        piece = draw_piece(number, CLASSES[label], SIDE)
        name, shared = f"{number:03d}", ("train", f"g{number}", 1.0)
        photos.append(Photo(name, name, "", SIDE, SIDE, (CLASSES[label],), *shared))
        frames.append(Frame(f"{name}-0", name, 0, 0, SIDE, *shared, False))
        pixels.append((expose(piece, number % 3), [Instance(piece.mask, label)]))
    about = About(CLASSES, SIDE, "photo", "drawn", "", (1.0,), "column")
    write_dataset(out, about, photos, pixels, frames, pixels)
    return out


def main() -> None:
    """Print both lines."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as root:
        dataset = draw_dataset(Path(root) / "dataset")
        data = Dataset(dataset)
        work = [(data.image(one), data.class_map(one)) for one in data.frames("train")]
        compare(
            "driver",
            lambda: [driver(*one, RECIPE) for one in work],
            lambda: [plain(*one) for one in work],
        )
        (Path(root) / "plain").mkdir()

        def step() -> None:
            with tempfile.TemporaryDirectory(dir=root) as out:
                extract(Path(out), DriverSettings(), dataset)

        compare(
            "step, files and preview",
            step,
            lambda: plain_step(dataset, Path(root) / "plain"),
        )


if __name__ == "__main__":
    main()
