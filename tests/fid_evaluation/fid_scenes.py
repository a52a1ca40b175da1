"""A small dataset, and synthetic sets that keep to their masks or ignore them."""

import json
from pathlib import Path

import cv2
import numpy as np

from components.dataset import About, Dataset, Frame, Image, Photo, write_dataset, write_image
from components.instances import Instance, Mask
from components.synthetic import write_annotations

SIDE = 32
CLASSES = ("crack", "pit")
NONE = float("nan")


def surface(seed: int, side: int = SIDE) -> Image:
    """Grey noise with some structure."""
    rng = np.random.default_rng([seed, 1])
    noise = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), 1.5)
    grey = 130 + 10 * noise / noise.std()
    return np.repeat(grey[:, :, None], 3, 2).clip(0, 255).astype(np.uint8)


def defect(seed: int, label: int, side: int = SIDE) -> Mask:
    rng = np.random.default_rng([seed, 2])
    mask = np.zeros((side, side), np.uint8)
    if label == 0:
        start, end = rng.integers(4, side - 4, (2, 2)).tolist()
        cv2.line(mask, start, [min(end[0] + 6, side - 1), end[1]], 1, 1)
    else:
        cv2.circle(mask, rng.integers(9, side - 9, 2).tolist(), int(rng.integers(3, 5)), 1, -1)
    return mask.astype(bool)


def damaged(seed: int, mask: Mask) -> Image:
    picture = surface(seed)
    picture[mask] = picture[mask] // 3
    return picture


def write_data(path: Path, clean: int = 25, annotated: int = 6) -> Path:
    """`clean` defect-free photos and twice `annotated` others in each of the three parts."""
    path.mkdir(parents=True)
    photos, frames, pixels = [], [], []

    def add(name: str, part: str, picture: Image, instances: list[Instance]) -> None:
        fraction = 1.0 if part == "train" and instances else NONE
        classes = tuple(CLASSES[one.label] for one in instances)
        photos.append(Photo(name, f"{name}.png", "", SIDE, SIDE, classes, part, name, fraction))
        frames.append(Frame(f"{name}-0", name, 0, 0, SIDE, part, name, fraction, not instances))
        pixels.append((picture, instances))

    for number, part in enumerate(("test", "train", "val")):
        for place in range(2 * annotated):
            seed, label = 1000 * number + place, place % 2
            mask = defect(seed, label)
            add(f"{part}-{place:03d}", part, damaged(seed, mask), [Instance(mask, label)])
        for place in range(clean if part == "train" else 3):
            add(f"{part}-clean-{place:03d}", part, surface(1000 * number + 500 + place), [])
    order = sorted(range(len(photos)), key=lambda place: photos[place].id)
    about = About(CLASSES, SIDE, "photo", "drawn", "sha256:0", (1.0,), "column")
    write_dataset(
        path, about, [photos[i] for i in order], [pixels[i] for i in order],
        [frames[i] for i in order], [pixels[i] for i in order],
    )  # fmt: skip
    return path


def write_synthetic(path: Path, kept: list[bool], samples: int = 2, refused: int = 0) -> Path:
    """A synthetic set; image i has its defect drawn where `kept[i]`, and nothing otherwise.

    The last `refused` images are left out of it.
    """
    for name in ("images", "rejected"):
        (path / name).mkdir(parents=True)
    rows, instances = [], []
    for place, keep in enumerate(kept):
        driver, label = place // samples, place // samples % 2
        mask = defect(7000 + driver, label)
        seed = 9000 + place
        picture = damaged(seed, mask) if keep else surface(seed)
        accepted = place < len(kept) - refused
        write_image(path / ("images" if accepted else "rejected") / f"{place:05d}.png", picture)
        rows.append(
            {
                "id": f"{place:05d}", "source": f"train-clean-{driver % 25:03d}-0",
                "ground": f"g{driver}", "mask": f"train-{driver % 12:03d}-0",
                "driver": f"d{driver}", "defect": CLASSES[label], "prompt": "", "seed": seed,
                "accepted": accepted,
            }
        )  # fmt: skip
        instances.append([Instance(mask, label)])
    write_annotations(path, rows, instances, SIDE, CLASSES)
    return path


def write_segmenter(path: Path, threshold: float = 0.5) -> Path:
    """An untrained segmenter of torchvision in the artifact form of `mask_rcnn`."""
    import torch
    from safetensors.torch import save_file

    from components.mask_rcnn.backend import build
    from components.mask_rcnn.settings import MaskRCNNSettings

    path.mkdir()
    settings = MaskRCNNSettings(backbone="mobilenet_v3", size="small")
    torch.manual_seed(0)
    state = build(settings, len(CLASSES), SIDE).module.state_dict()
    save_file({name: value.contiguous() for name, value in state.items()},
              path / "model.safetensors")  # fmt: skip
    about = {
        "backend": "torchvision", "classes": CLASSES, "resolution": SIDE, "threshold": threshold,
        "settings": settings.model_dump(mode="json"),
    }  # fmt: skip
    (path / "model.json").write_text(json.dumps(about))
    return path


def opened(path: Path) -> Dataset:
    return Dataset(path)
