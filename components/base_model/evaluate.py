"""How well a model's autoencoder keeps photos: `python -m components.base_model.evaluate`.

The photos are measured, never trained on. Where a mask of the same name lies beside a photo
(`.png` beside `.jpg`), the crop is taken around it, and the error inside
it is reported too, because thin defects hardly count in the whole picture.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray

from components.base_model.fit_autoencoder import pixels
from components.progress import say


@dataclass(frozen=True)
class Fidelity:
    """Decibels of peak signal to noise of one set of crops.

    Attributes:
        whole: Mean over crops of the crop's PSNR.
        inside: PSNR of all pixels inside masks; NaN without masks.
        crops: Number of crops.
    """

    whole: float
    inside: float
    crops: int


def crops(
    folder: Path, count: int, side: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Crops (count, side, side, 3) of a folder's `.jpg` photos, and of their masks.

    Args:
        folder: Photos, with masks as `.png` of the same name beside them where there are some.
        count: Number of photos, one crop each.
        side: Pixels; photos are not scaled.
        seed: Of the choice.
    """
    rng = np.random.default_rng(seed)
    photos = sorted(folder.rglob("*.jpg"))
    images: list[NDArray[np.uint8]] = []
    masks: list[NDArray[np.bool_]] = []
    for number in rng.permutation(len(photos)):
        picture = cv2.imread(str(photos[number]))
        if picture is None or min(picture.shape[:2]) < side or len(images) == count:
            continue
        drawn = cv2.imread(str(photos[number].with_suffix(".png")), cv2.IMREAD_GRAYSCALE)
        mask = np.zeros(picture.shape[:2], bool) if drawn is None else drawn > 127
        inside = np.argwhere(mask)
        room = np.array(picture.shape[:2]) - side
        if len(inside):
            corner = np.clip(inside[rng.integers(len(inside))] - side // 2, 0, room)
        else:
            corner = rng.integers(0, room + 1)
        window = tuple(slice(start, start + side) for start in corner)
        images.append(picture[window][..., ::-1])
        masks.append(mask[window])
    if not images:
        raise ValueError(f"{folder} has no .jpg photo of at least {side} x {side} pixels")
    return np.stack(images), np.stack(masks)


@torch.no_grad()
def fidelity(
    model: AutoencoderTiny, images: NDArray[np.uint8], masks: NDArray[np.bool_]
) -> Fidelity:
    """Encode and decode crops and compare, on the scale 0 .. 255."""
    decoded = model.decode(model.encode(pixels(images)).latents).sample.clamp(-1, 1)
    seen = decoded.permute(0, 2, 3, 1).numpy() * 127.5 + 127.5
    error = ((seen - images) ** 2).mean(3)
    inside = _decibels(error[masks].mean()) if masks.any() else float("nan")
    whole = float(np.mean([_decibels(one) for one in error.mean((1, 2))]))
    return Fidelity(whole, inside, len(images))


def _decibels(error: float) -> float:
    return float(10 * np.log10(255**2 / max(error, 1e-6)))


def main() -> None:
    """Read the command line and measure every folder."""
    parser = argparse.ArgumentParser(prog="python -m components.base_model.evaluate")
    parser.add_argument("--model", type=Path, required=True, help="diffusers folder")
    parser.add_argument("--count", type=int, default=32, help="crops a folder")
    parser.add_argument("--side", type=int, default=96, help="pixels of a crop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of photos")
    chosen = parser.parse_args()
    model = AutoencoderTiny.from_pretrained(chosen.model, subfolder="vae").float().eval()
    for folder in chosen.photos:
        found = fidelity(model, *crops(folder, chosen.count, chosen.side, chosen.seed))
        say(
            f"{folder.name}: {found.whole:.1f} dB, {found.inside:.1f} dB inside masks, "
            f"{found.crops} crops of {chosen.side} px, seed {chosen.seed}"
        )


if __name__ == "__main__":
    main()
