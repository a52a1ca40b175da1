"""Write the sample data: photos, COCO annotations and the pieces' names."""

import csv
import io
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from components.data_versioning.borescope.camera import PIXELS
from components.data_versioning.borescope.defects import CLASSES
from components.data_versioning.borescope.scene import pieces, shoot
from components.instances import Instance, to_coco
from components.progress import track

SEED = 2401
"""Seed of the embedded sample."""

ANNOTATED, CLEAN = 300, 200
"""Photos with and without defects in the embedded sample."""


def write(out: Path, *, seed: int, annotated: int, clean: int, processes: int) -> None:
    """Render the sample data into a new folder.

        images/0001.jpg ...   photos, RGB
        annotations.json      COCO instances; file names are below `out`
        groups.csv            columns file, piece

    Args:
        out: A folder that does not exist, or is empty.
        seed: Seed of everything.
        annotated: Number of photos with defects.
        clean: Number of defect-free photos.
        processes: Number of processes; the result does not depend on it.

    Raises:
        ValueError: If `out` already holds something.
    """
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty; delete it first, or name another folder")
    (out / "images").mkdir(parents=True, exist_ok=True)
    wanted = pieces(annotated, clean)
    # Numbers are dealt at random: a photo's name says neither its piece nor its kind.
    dealing = np.random.Generator(np.random.PCG64([seed, len(wanted)]))
    numbers = iter(dealing.permutation(annotated + clean) + 1)
    photos: list[tuple[str, str, list[Instance]]] = []
    # A fresh interpreter each: threads of libraries do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        shots = pool.map(partial(shoot, seed), wanted)
        for piece, taken in zip(track(wanted, "rendering", unit="pieces"), shots, strict=True):
            for shot in taken:
                name = f"images/{int(next(numbers)):04d}.jpg"
                (out / name).write_bytes(encode(shot.pixels))
                photos.append((name, piece.name, shot.defects))
    photos.sort(key=lambda photo: photo[0])
    _write_annotations(out / "annotations.json", photos)
    _write_groups(out / "groups.csv", photos)


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """A photo as a JPEG file.

    Baseline JPEG with the standard tables and the integer transform: its bytes depend neither on
    the processor nor, in practice, on the version of libjpeg-turbo.
    """
    stream = io.BytesIO()
    Image.fromarray(pixels).save(
        stream, "JPEG", quality=90, subsampling=2, optimize=False, progressive=False
    )
    return stream.getvalue()


def _write_annotations(path: Path, photos: list[tuple[str, str, list[Instance]]]) -> None:
    document = to_coco(
        [(name, PIXELS, PIXELS) for name, _, _ in photos],
        [defects for _, _, defects in photos],
        CLASSES,
    )
    document["info"] = {
        "description": "Rendered, not photographed: borescope views of a combustor's liner",
        "version": "1",
    }
    path.write_text(json.dumps(document, indent=0) + "\n", newline="\n")


def _write_groups(path: Path, photos: list[tuple[str, str, list[Instance]]]) -> None:
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["file", "piece"])
        rows.writerows([name, piece] for name, piece, _ in photos)
