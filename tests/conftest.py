"""Fixtures that all tests share."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from photos import draw_folder


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 annotated and 12 defect-free photos of 64 px: two exposures of 18 pieces, two classes."""
    return draw_folder(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def dataset(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset artifact at 32 px made from `photo_folder`; fractions 0.1, 0.5, 1; seed 0."""
    import cv2
    import numpy as np

    from components.dataset import About, Frame, Photo, read_image, write_dataset
    from components.instances import connected
    from components.store import digest_file

    out = tmp_path_factory.mktemp("dataset")
    photos, photo_pixels, frames, frame_pixels = [], [], [], []
    classes = ("crack", "pit")
    parts = ["train"] * 4 + ["val", "test"]
    fractions = [0.1, 0.5, 1.0, 1.0, float("nan"), float("nan")]
    for path in sorted((photo_folder / "images").glob("*/*.png")):
        kind, number = path.parent.name, int(path.stem) % 6
        picture = read_image(path)
        instances = []
        fraction = float("nan")
        if kind != "good":
            mask = cv2.imread(str(photo_folder / "masks" / kind / path.name), 0) > 0
            instances = connected(mask, classes.index(kind))
            fraction = fractions[number] if number != 0 or int(path.stem) < 6 else 0.5
        one = Photo(
            f"{kind}-{path.stem}", path.relative_to(photo_folder).as_posix(), digest_file(path),
            64, 64, (kind,) if instances else (), parts[number], f"{kind}-{number}", fraction,
        )  # fmt: skip
        photos.append(one)
        photo_pixels.append((picture, instances))
        frames.append(
            Frame(f"{one.id}-0", one.id, 16, 16, 32, one.split, one.group, fraction, not instances)
        )
        cut = [
            part for i in instances for part in connected(i.mask[16:48, 16:48], i.label, 4)
        ]
        frame_pixels.append((np.ascontiguousarray(picture[16:48, 16:48]), cut))
    order = sorted(range(len(photos)), key=lambda i: photos[i].id)
    about = About(classes, 32, "window", "photos", "", (0.1, 0.5, 1.0), "pixels")
    write_dataset(
        out, about, [photos[i] for i in order], [photo_pixels[i] for i in order],
        [frames[i] for i in order], [frame_pixels[i] for i in order],
    )  # fmt: skip
    return out
