"""Random test parts and detections, and artifacts of them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from components.dataset import About, Dataset, Frame, Photo, write_dataset
from components.instances import Instance, box, encode
from components.record import Record

CLASSES = ("crack", "pit", "spall")
SIDE = 48
NONE = float("nan")


def rectangle(x: int, y: int, width: int, height: int, side: int = SIDE) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def write_test_part(
    path: Path, instances: list[list[Instance]], groups: list[str], side: int = SIDE
) -> Path:
    """A dataset artifact whose photos are all test photos of one frame each."""
    path.mkdir(parents=True, exist_ok=True)
    photos, frames, pixels = [], [], []
    for number, (some, group) in enumerate(zip(instances, groups, strict=True)):
        name = f"p{number:03d}"
        classes = tuple(sorted({CLASSES[one.label] for one in some}))
        photos.append(Photo(name, f"{name}.png", "", side, side, classes, "test", group, NONE))
        frames.append(
            Frame(f"{name}-0", name, 0, 0, side, "test", group, NONE, defect_free=not some)
        )
        pixels.append((np.full((side, side, 3), 90, np.uint8), some))
    about = About(CLASSES, side, "photo", "drawn", "sha256:0", (1.0,), "column")
    write_dataset(path, about, photos, pixels, frames, pixels)
    return path


def write_network(
    path: Path, regime: str, seed: int, predictions: list[dict[str, Any]], threshold: float = 0.5
) -> Path:
    (path / "predictions").mkdir(parents=True)
    (path / "predictions" / "test.json").write_text(json.dumps(predictions))
    (path / "model.json").write_text(json.dumps({"threshold": threshold}))
    record = Record(
        step="mask_rcnn", label="", key="", digest="", settings={},
        scalars={"fraction": 1.0, "regime": regime, "seed": seed}, inputs={}, metrics={},
        curves={}, warnings=[], seconds=0.0, continued=False, memory=0, device_memory=0,
        packages="",
    )  # fmt: skip
    (path / "record.json").write_text(json.dumps(asdict(record)))
    return path


def detection(image: int, label: int, mask: np.ndarray, score: float) -> dict[str, Any]:
    return {
        "image_id": image,
        "category_id": label + 1,
        "segmentation": encode(mask),
        "bbox": [float(one) for one in box(mask)],
        "score": score,
    }


def random_scene(
    seed: int, images: int = 12, detections: bool = True
) -> tuple[list[list[Instance]], list[dict[str, Any]]]:
    """Boxes as defects, and detections that are near them, beside them, or of a wrong class.

    Some images are defect-free. All scores differ.
    """
    rng = np.random.default_rng(seed)
    truth: list[list[Instance]] = []
    found: list[dict[str, Any]] = []
    for image in range(1, images + 1):
        some: list[Instance] = []
        for _ in range(int(rng.integers(0, 4))):
            x, y, w, h = rng.integers(2, 16, 4)
            label = int(rng.integers(len(CLASSES)))
            some.append(Instance(rectangle(x * 2, y * 2, w, h), label))
            if detections and rng.random() < 0.8:
                dx, dy = rng.integers(-2, 3, 2)
                guess = label if rng.random() < 0.8 else int(rng.integers(len(CLASSES)))
                mask = rectangle(max(x * 2 + dx, 0), max(y * 2 + dy, 0), w, h)
                found.append(detection(image, guess, mask, float(rng.random())))
        if detections and rng.random() < 0.5:
            x, y, w, h = rng.integers(2, 16, 4)
            mask = rectangle(x, y, w, h)
            found.append(detection(image, int(rng.integers(3)), mask, float(rng.random())))
        truth.append(some)
    return truth, found


def opened(path: Path) -> Dataset:
    return Dataset(path)
