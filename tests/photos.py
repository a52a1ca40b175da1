"""Small drawn photos in the folder form that most tests start from."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 64
CLASSES = ("crack", "pit")


@dataclass(frozen=True)
class Piece:
    """A drawn physical piece.

    Attributes:
        albedo: Its surface, (side, side), 0 .. 1.
        mask: Its defects, (side, side).
    """

    albedo: NDArray[np.float64]
    mask: NDArray[np.bool_]


def draw_piece(seed: int, defect: str = "", side: int = SIDE) -> Piece:
    """A piece with a texture of its own and, if asked for, a `crack` or a `pit`."""
    rng = np.random.default_rng([seed, 77])
    fine = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), 1.0, sigmaY=0.5)
    coarse = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), side / 16)
    albedo = 0.5 + 0.06 * fine / fine.std() + 0.12 * coarse / coarse.std()
    mask = np.zeros((side, side), np.uint8)
    centre = rng.uniform(0.35, 0.65, 2) * side
    if defect == "crack":
        angle = rng.uniform(0, np.pi)
        steps = np.linspace(-0.14, 0.14, 7)[:, None] * side
        line = centre + steps * [np.cos(angle), np.sin(angle)] + rng.normal(0, 0.9, (7, 2))
        cv2.polylines(mask, [line.round().astype(np.int32)], False, 1, 2)
    elif defect == "pit":
        axes = rng.integers(3, 7, 2).tolist()
        place = centre.round().astype(int).tolist()
        cv2.ellipse(mask, place, axes, int(rng.integers(180)), 0, 360, 1, -1)
    albedo = np.where(mask > 0, albedo * 0.35, albedo)
    return Piece(np.clip(albedo, 0, 1), mask.astype(bool))


def expose(piece: Piece, exposure: int) -> NDArray[np.uint8]:
    """An RGB photo of a piece under one of several exposures, (side, side, 3)."""
    rng = np.random.default_rng([exposure, 78])
    side = piece.albedo.shape[0]
    ramp = np.linspace(-0.1, 0.1, side) * rng.uniform(-1, 1)
    light = (0.8 + 0.15 * exposure + ramp)[None, :]
    grey = np.clip(piece.albedo * light, 0, 1) ** (1 + 0.2 * exposure)
    grey = grey[:, :, None] * [1.0, 0.97, 0.9] + rng.normal(0, 0.008, (side, side, 3))
    return (255 * np.clip(grey, 0, 1)).round().astype(np.uint8)


def write(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a grey or RGB picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), picture[..., ::-1] if picture.ndim == 3 else picture):
        raise OSError(path)


def draw_folder(root: Path, pieces: int = 6, exposures: int = 2, side: int = SIDE) -> Path:
    """Photos in the pair form: `images/<class>/<n>.png`, `masks/<class>/<n>.png`.

    `pieces` of each of two classes and as many defect-free ones (in `images/good`), each under
    `exposures` exposures. Names count through in an order that does not tell the pieces.
    """
    for kind, name in enumerate((*CLASSES, "good")):
        for number in range(pieces):
            piece = draw_piece(100 * kind + number, name if name != "good" else "", side)
            for exposure in range(exposures):
                file = f"{name}/{exposure * pieces + number:03d}.png"
                write(root / "images" / file, expose(piece, exposure))
                if name != "good":
                    write(root / "masks" / file, piece.mask.astype(np.uint8) * 255)
    return root
