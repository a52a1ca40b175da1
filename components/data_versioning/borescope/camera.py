"""The borescope: looks at a wall from close by and takes a photo of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.data_versioning.borescope.noise import Field, bell, blur, ramp, sample, smooth
from components.data_versioning.borescope.part import Drawn
from components.data_versioning.borescope.wall import SIDE, Wall
from components.instances import Instance

PIXELS = 192
"""Side of a photo, pixels."""

_FINE = 2 * PIXELS
_COVERED = 0.3
"""A pixel belongs to a defect that covers this share of it."""


@dataclass(frozen=True)
class Pose:
    """Where the probe is, and how it looks at the wall.

    Attributes:
        row: Texel it looks at, along the engine.
        column: Texel it looks at, around the engine.
        distance: Distance from there, texels.
        tilt: Slope of the line of sight along the engine; 0 looks straight down.
        lean: The same around the engine.
        roll: Slope of the photo's horizon.
    """

    row: float
    column: float
    distance: float
    tilt: float
    lean: float
    roll: float


@dataclass(frozen=True)
class Exposure:
    """Light and sensor of one photo.

    Attributes:
        gain: Brightness.
        lamp: Offset of the lamp from the lens, texels (along the engine, around it).
        warmth: Colour of the light; positive is warmer.
        glare: Strength of the mirror reflection.
        veil: Stray light inside the probe, share of full scale.
        fall: Darkening in the photo's corners, 0 .. 1.
        noise: Deviation of the sensor's noise at mid grey, share of full scale.
        focus: Distance of the sharp plane over the pose's distance.
        defocus: Blur passes of what lies farthest from it.
    """

    gain: float
    lamp: tuple[float, float]
    warmth: float
    glare: float
    veil: float
    fall: float
    noise: float
    focus: float
    defocus: int


@dataclass(frozen=True)
class _View:
    """What every ray of the photo meets: positions in texels, unit vectors towards the lens."""

    rows: Field
    columns: Field
    depth: Field
    point: tuple[Field, Field, Field]
    slope: Field
    eye: tuple[Field, Field, Field]
    lens: tuple[float, float, float]


def photograph(
    wall: Wall,
    curve: float,
    defects: Sequence[Drawn],
    pose: Pose,
    exposure: Exposure,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], list[Instance]]:
    """Take a photo.

    Args:
        wall: The wall.
        curve: Its curvature: it rises by curve * x * x at x texels from its middle.
        defects: What was drawn on it, in that order.
        pose: The probe's position.
        exposure: The light.
        rng: Source of the photo's own blotches and noise.

    Returns:
        RGB pixels (PIXELS, PIXELS, 3), and the defects seen in them.
    """
    view = _look(pose, curve)
    light = _shade(wall, curve, view, exposure)
    return _develop(light, view, pose, exposure, rng), _seen(defects, view)


def _unit(y: Field, x: Field, z: Field) -> tuple[Field, Field, Field]:
    length = np.sqrt(y * y + x * x + z * z)
    return y / length, x / length, z / length


def _direction(y: float, x: float, z: float) -> tuple[float, float, float]:
    length = math.sqrt(y * y + x * x + z * z)
    return y / length, x / length, z / length


def _look(pose: Pose, curve: float) -> _View:
    """Meet the wall z = curve * x * x with the rays of a pinhole camera."""
    half = SIDE / 2
    x0, y0 = pose.column - half, pose.row - half
    # Line of sight from the wall to the lens, then the photo's two axes.
    ny, nx, nz = _direction(pose.tilt, pose.lean, 1.0)
    lens = (
        y0 + pose.distance * ny,
        x0 + pose.distance * nx,
        curve * x0 * x0 + pose.distance * nz,
    )
    # `right` is (y, x, z) = (roll, 1, 0) made orthogonal to the line of sight.
    along = pose.roll * ny + nx
    ry, rx, rz = _direction(pose.roll - along * ny, 1.0 - along * nx, -along * nz)
    dy, dx, dz = (nx * rz - nz * rx, nz * ry - ny * rz, ny * rx - nx * ry)
    if dy < 0:
        dy, dx, dz = -dy, -dx, -dz
    steps = ((np.arange(_FINE) + 0.5) / _FINE - 0.5) * 0.8
    across, down = steps[None, :], steps[:, None]
    # A wide lens: straight lines bend a little.
    barrel = 1.0 + 0.22 * (across * across + down * down)
    across, down = across * barrel, down * barrel
    vy, vx, vz = _unit(
        across * ry + down * dy - ny, across * rx + down * dx - nx, across * rz + down * dz - nz
    )
    a = curve * vx * vx
    b = 2.0 * curve * lens[1] * vx - vz
    c = curve * lens[1] * lens[1] - lens[2]
    depth = -2.0 * c / (b + np.sqrt(b * b - 4.0 * a * c))
    y, x, z = lens[0] + depth * vy, lens[1] + depth * vx, lens[2] + depth * vz
    return _View(y + half, x + half, depth, (y, x, z), 2.0 * curve * x, (-vy, -vx, -vz), lens)


def _shade(wall: Wall, curve: float, view: _View, exposure: Exposure) -> NDArray[np.float64]:
    """Light that reaches the lens, (fine, fine, 3), linear."""
    height = wall.height
    slope_y = np.zeros_like(height)
    slope_x = np.zeros_like(height)
    slope_y[1:-1] = (height[2:] - height[:-2]) * 0.5
    slope_x[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * 0.5
    maps = np.stack([slope_y, slope_x, wall.gloss], axis=2)
    relief = sample(maps, view.rows, view.columns)
    colour = sample(wall.colour, view.rows, view.columns)
    normal = _unit(-relief[..., 0], -view.slope - relief[..., 1], np.ones_like(view.slope))
    lamp = (view.lens[0] + exposure.lamp[0], view.lens[1] + exposure.lamp[1], view.lens[2])
    to_lamp = tuple(lamp[axis] - view.point[axis] for axis in range(3))
    squared = to_lamp[0] * to_lamp[0] + to_lamp[1] * to_lamp[1] + to_lamp[2] * to_lamp[2]
    away = np.sqrt(squared)
    beam = tuple(part / away for part in to_lamp)
    middle = squared[_FINE // 2, _FINE // 2]
    falloff = middle / squared
    facing = np.clip(sum(n * b for n, b in zip(normal, beam, strict=True)), 0.0, 1.0)
    halfway = _unit(*(b + e for b, e in zip(beam, view.eye, strict=True)))
    mirror = np.clip(sum(n * h for n, h in zip(normal, halfway, strict=True)), 0.0, 1.0)
    for _ in range(3):
        mirror = mirror * mirror
    sharp = mirror * mirror
    sharp = sharp * sharp
    sharp = sharp * sharp
    shine = (0.22 * mirror + 0.9 * sharp) * relief[..., 2] * exposure.glare * falloff
    tint = np.array((1.0 + exposure.warmth, 1.0, 1.0 - exposure.warmth))
    diffuse = colour * (0.06 + 0.94 * facing * falloff)[..., None]
    return (diffuse + shine[..., None]) * tint * exposure.gain


def _develop(
    light: NDArray[np.float64],
    view: _View,
    pose: Pose,
    exposure: Exposure,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Lens, sensor and tone curve."""
    # Depth of field.
    far = np.abs(view.depth / pose.distance - exposure.focus)
    soft = ramp(far, 0.02, 0.45)[..., None]
    light = light * (1.0 - soft) + blur(light, exposure.defocus) * soft
    light = light.reshape(PIXELS, 2, PIXELS, 2, 3)
    light = (light[:, 0, :, 0] + light[:, 0, :, 1] + light[:, 1, :, 0] + light[:, 1, :, 1]) * 0.25
    # Light beyond the sensor's range blooms.
    light = light + 0.5 * blur(np.clip(light - 0.9, 0.0, 1.5), 10)
    place = (np.arange(PIXELS) + 0.5) / PIXELS * 2.0 - 1.0
    radius = (place * place)[:, None] + (place * place)[None, :]
    corner = 1.0 - exposure.fall * np.clip(radius * (0.45 + 0.18 * radius), 0.0, 1.0)
    light = light * corner[..., None]
    haze = exposure.veil * (1.0 + 0.3 * smooth(rng, PIXELS, 2, 2))[..., None]
    light = np.clip(light + haze, 0.0, 1.0)
    # The square root is close to the usual tone curve, and exact; the S on top is contrast.
    tone = np.sqrt(light)
    tone = 0.45 * tone + 0.55 * ramp(tone, 0.0, 1.0)
    grain = exposure.noise * (0.5 + tone)
    tone = tone + grain * (
        0.8 * bell(rng, (PIXELS, PIXELS, 1)) + 0.6 * bell(rng, (PIXELS, PIXELS, 3))
    )
    return np.floor(np.clip(tone, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _seen(defects: Sequence[Drawn], view: _View) -> list[Instance]:
    """The defects' masks in the photo; where two meet, the later one lies on top."""
    masks: list[Instance] = []
    for defect in defects:
        # Beyond the part of the wall that was drawn on, the zeros at its edge go on.
        padded = np.pad(defect.opacity, 2)
        cover = sample(padded, view.rows - defect.row + 2, view.columns - defect.column + 2)
        cover = cover.reshape(PIXELS, 2, PIXELS, 2)
        cover = (cover[:, 0, :, 0] + cover[:, 0, :, 1] + cover[:, 1, :, 0] + cover[:, 1, :, 1]) / 4
        mask = cover >= _COVERED
        masks = [Instance(one.mask & ~mask, one.label) for one in masks]
        masks.append(Instance(mask, defect.label))
    return [one for one in masks if one.mask.any()]
