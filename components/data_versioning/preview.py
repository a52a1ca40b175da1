"""Pictures of a dataset artifact for people: annotated frames, and found groups."""

from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from components.dataset import Dataset, Image, Photo, read_image, write_image
from components.pictures import draw_masks, grid

_FRAMES, _COLUMNS = 36, 6
_ROWS, _SHOWN, _SIDE = 12, 8, 128


def write_previews(out: Path) -> None:
    """Write `preview/frames.png` and `preview/groups.png` of the dataset artifact in `out`."""
    dataset = Dataset(out)
    (out / "preview").mkdir(exist_ok=True)
    frames = [
        frame for split in ("train", "val", "test") for frame in dataset.frames(split)
    ]  # fmt: skip
    step = max(1, len(frames) / _FRAMES)
    shown = [frames[int(at * step)] for at in range(min(_FRAMES, len(frames)))]
    # One after the other of each class, so that every class is seen.
    shown.sort(key=lambda frame: min((one.label for one in dataset.instances(frame)), default=0))
    if shown:
        drawn = [
            draw_masks(dataset.image(one), dataset.class_map(one), len(dataset.classes))
            for one in shown
        ]
        write_image(out / "preview" / "frames.png", grid(drawn, _COLUMNS))
    write_image(out / "preview" / "groups.png", _groups(dataset))


def _groups(dataset: Dataset) -> Image:
    """A row a piece, annotated pieces with most photos first; empty places are white."""
    members: dict[str, list[Photo]] = defaultdict(list)
    for photo in dataset.photos:
        members[photo.group].append(photo)
    order = sorted(
        members,
        key=lambda name: (
            -min(len(members[name]), _SHOWN),
            all(photo.defect_free for photo in members[name]),
            members[name][0].id,
        ),
    )
    step = max(1, len(order) / _ROWS)
    rows = [order[int(at * step)] for at in range(min(_ROWS, len(order)))]
    pictures: list[Image] = []
    for name in rows:
        row = [_thumbnail(dataset, photo) for photo in members[name][:_SHOWN]]
        blank = np.full((_SIDE, _SIDE, 3), 255, np.uint8)
        pictures += row + [blank] * (_SHOWN - len(row))
    return grid(pictures, _SHOWN)


def _thumbnail(dataset: Dataset, photo: Photo) -> Image:
    """The photo in a white square of the preview's size."""
    picture = read_image(dataset.path / "images" / f"{photo.id}.png")
    scale = _SIDE / max(picture.shape[:2])
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    square = np.full((_SIDE, _SIDE, 3), 255, np.uint8)
    top, left = (_SIDE - height) // 2, (_SIDE - width) // 2
    square[top : top + height, left : left + width] = small
    return square
