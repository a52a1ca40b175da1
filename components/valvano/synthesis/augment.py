"""Versions of a defect-free photo (Valvano et al. 2024, section 4: augmented ten times each)."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from components.dataset import Image
from components.valvano.synthesis.settings import PlanSettings

CONTRAST = 0.2
"""Largest relative change of contrast."""

BRIGHTNESS = 15.0
"""Largest shift of brightness, grey levels out of 255."""

NOISE = 4.0
"""Largest standard deviation of the noise, grey levels out of 255."""


@dataclass(frozen=True)
class Augmentation:
    """How a version differs from its photo; the defaults are the photo itself.

    Attributes:
        flip: Mirrored left to right.
        turn: Rotation about the centre, degrees, counter-clockwise.
        zoom: Factor by which what is seen grows; above 1 it crops.
        shift_x: Shift of what is seen, as a share of the side, to the right.
        shift_y: Shift of what is seen, as a share of the side, down.
        contrast: Factor on the differences from the mean grey level.
        brightness: Grey levels added, out of 255.
        noise: Standard deviation of the added grain, grey levels out of 255.
        noise_seed: Seed of that grain.
    """

    flip: bool = False
    turn: float = 0.0
    zoom: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    contrast: float = 1.0
    brightness: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0


def draw_augmentation(version: int, settings: PlanSettings, seed: list[int]) -> Augmentation:
    """The augmentation of one version of a photo.

    Args:
        version: Number of the version; 0 is the photo itself.
        settings: Ranges.
        seed: Seed of the photo; every version has its own stream of it.
    """
    if version == 0:
        return Augmentation()
    rng = np.random.default_rng([*seed, version])
    zoom = rng.uniform(1, settings.photo_zoom)
    # What the zoom leaves to shift by without looking past the photo's border.
    room = (1 - 1 / zoom) / 2 * zoom
    return Augmentation(
        flip=bool(settings.photo_flips and rng.integers(2)),
        turn=float(rng.uniform(-1, 1) * settings.photo_rotation),
        zoom=float(zoom),
        shift_x=float(rng.uniform(-room, room)),
        shift_y=float(rng.uniform(-room, room)),
        contrast=float(1 + rng.uniform(-1, 1) * CONTRAST),
        brightness=float(rng.uniform(-1, 1) * BRIGHTNESS),
        noise=float(rng.uniform(0, NOISE)),
        noise_seed=int(rng.integers(2**31)),
    )


def augment(picture: Image, how: Augmentation) -> Image:
    """The version of a photo, of the same size; what lies past its border is mirrored in."""
    height, width = picture.shape[:2]
    made = np.ascontiguousarray(picture[:, ::-1]) if how.flip else picture
    if (how.turn, how.zoom, how.shift_x, how.shift_y) != (0, 1, 0, 0):
        centre = ((width - 1) / 2, (height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, how.turn, how.zoom)
        matrix[:, 2] += how.shift_x * width, how.shift_y * height
        made = cv2.warpAffine(
            made, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    if how.contrast == 1 and how.brightness == 0 and how.noise == 0:
        return made
    mean = float(made.mean())
    levels = (np.arange(256) - mean) * how.contrast + mean + how.brightness
    made = np.rint(levels).clip(0, 255).astype(np.uint8)[made]
    if how.noise == 0:
        return made
    rng = np.random.default_rng([how.noise_seed, 0])
    grain = np.rint(rng.standard_normal((height, width, 1), np.float32) * np.float32(how.noise))
    return (made + grain.astype(np.int16)).clip(0, 255).astype(np.uint8)


def object_area(picture: Image) -> NDArray[np.bool_]:
    """Where the photographed object is, (height, width).

    A plain background is looked for along the photo's border: the connected ground of its most
    frequent grey level, if that is even, clearly darker or brighter than the rest, and reaches at
    least two corners. Without one the whole photo is the object, as in close-ups of a surface.
    """
    grey = cv2.medianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), 3)
    height, width = grey.shape
    whole = np.ones((height, width), bool)
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    counts = np.convolve(np.bincount(border, minlength=256), np.ones(9), "same")
    level = int(counts.argmax())
    near = cv2.inRange(grey, max(level - 12, 0), min(level + 12, 255))
    count, parts = cv2.connectedComponents(near, connectivity=4)
    corners = [parts[0, 0], parts[0, -1], parts[-1, 0], parts[-1, -1]]
    reached = np.bincount(np.array(corners)[np.array(corners) > 0], minlength=max(count, 1))
    grounds = np.flatnonzero(reached)
    if grounds.size == 0 or reached.sum() < 2:
        return whole
    ground = np.isin(parts, grounds)
    share = ground.mean()
    if not 0.03 <= share <= 0.97:
        return whole
    inside = grey[~ground]
    if grey[ground].std() > 8 or abs(float(np.median(inside)) - level) < 25:
        return whole
    # One pixel off the object's edge, and no specks of ground texture.
    found = cv2.erode((~ground).astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    return found.astype(bool) if found.any() else whole
