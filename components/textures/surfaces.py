"""Procedural surfaces: what a material looks like before light, structure and marks.

A surface is a field (side, side) of float32 with mean about 0 and deviation about 1: how much
brighter or darker than its average the material is at every pixel.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""A scalar at every pixel, (height, width)."""


def noise(rng: Generator, side: int, rows: float, columns: float | None = None) -> Field:
    """Smooth random field with features of about `rows` x `columns` pixels, deviation below 1."""
    columns = rows if columns is None else columns
    shape = [max(2, round(side / size) + 1) for size in (rows, columns)]
    coarse = rng.standard_normal(shape, dtype=np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def octaves(rng: Generator, side: int, finest: float, slope: float) -> Field:
    """Noise at all sizes from `finest` pixels to the whole side, amplitude size^`slope`."""
    total = np.zeros((side, side), np.float32)
    size = finest
    while size < side:
        total += np.float32((size / side) ** slope) * noise(rng, side, size)
        size *= 2
    return standard(total)


def standard(field: Field) -> Field:
    """The field with mean 0 and deviation 1."""
    return (field - field.mean()) / (field.std() + np.float32(1e-6))


def _lines(rng: Generator, side: int) -> Field:
    """Parallel streaks along the rows' axis, from one pixel to broad bands."""
    along = side * rng.uniform(0.2, 2.0)
    slope = rng.uniform(0.0, 0.7)
    total = np.zeros((side, side), np.float32)
    for size in (1, 2, 4, 9, 20, 45):
        total += np.float32(size**slope * rng.uniform(0.3, 1)) * noise(rng, side, along, size)
    if rng.random() < 0.5:
        sparse = np.maximum(noise(rng, side, along / 2, 1.5) - np.float32(1.3), 0)
        total += np.float32(rng.uniform(1, 5)) * sparse
    return standard(total)


def _grain(rng: Generator, side: int) -> Field:
    return rng.standard_normal((side, side), dtype=np.float32)


def brushed(rng: Generator, side: int) -> Field:
    """Straight machining marks with some grain."""
    rough = np.float32(rng.uniform(0, 0.5))
    field = _lines(rng, side) + rough * _grain(rng, side)
    field += np.float32(rng.uniform(0, 0.5)) * octaves(rng, side, 4, 0.5)
    return standard(field)


def rolled(rng: Generator, side: int) -> Field:
    """Faint rolling direction under dull patches."""
    field = np.float32(0.5) * _lines(rng, side) + octaves(rng, side, 3, rng.uniform(0.3, 1))
    return standard(field + np.float32(0.4) * _grain(rng, side))


def ground(rng: Generator, side: int) -> Field:
    """Concentric arcs of a grinding wheel."""
    centre = rng.uniform(-2, 3, 2) * side
    y, x = np.mgrid[:side, :side].astype(np.float32)
    radius = np.hypot(y - np.float32(centre[0]), x - np.float32(centre[1]))
    radius -= radius.min()
    profile = np.zeros((1, int(radius.max()) + 3), np.float32)
    for size in (1, 3, 8):
        coarse = rng.standard_normal((1, profile.shape[1] // size + 2), dtype=np.float32)
        profile += cv2.resize(coarse, (profile.shape[1], 1), interpolation=cv2.INTER_LINEAR)
    field = cv2.remap(profile, radius, np.zeros_like(radius), cv2.INTER_LINEAR)
    return standard(standard(field) + np.float32(0.4) * _grain(rng, side))


def turned(rng: Generator, side: int) -> Field:
    """Periodic grooves of a lathe or a mill."""
    period = rng.uniform(3, 14)
    x = np.arange(side, dtype=np.float32)[None, :]
    phase = x * np.float32(2 * np.pi / period) + noise(rng, side, 60) * np.float32(0.8)
    field = np.sin(phase) + np.float32(rng.uniform(0.2, 1.0)) * _lines(rng, side)
    return standard(field + np.float32(0.2) * _grain(rng, side))


def cast(rng: Generator, side: int) -> Field:
    """Grainy skin of a cast or blasted part."""
    field = octaves(rng, side, rng.uniform(1, 3), rng.uniform(-0.2, 0.6))
    return standard(field + np.float32(rng.uniform(0, 0.8)) * _grain(rng, side))


def painted(rng: Generator, side: int) -> Field:
    """Smooth coat with an orange-peel relief lit from a side."""
    relief = noise(rng, side, rng.uniform(2.5, 7))
    lit = cv2.Sobel(relief, cv2.CV_32F, 1, 0) * np.float32(rng.uniform(0, 0.6))
    field = octaves(rng, side, 12, 1.0) + lit
    return standard(field + np.float32(0.15) * _grain(rng, side))


def concrete(rng: Generator, side: int) -> Field:
    """Blotches, fine aggregate and pores."""
    field = octaves(rng, side, 1.5, rng.uniform(0.1, 0.5)) + np.float32(0.5) * _grain(rng, side)
    pores = noise(rng, side, rng.uniform(2, 5)) > rng.uniform(1.6, 2.4)
    soft = cv2.GaussianBlur(pores.astype(np.float32), (3, 3), 0.6)
    return standard(field - np.float32(rng.uniform(1, 4)) * soft)


def ceramic(rng: Generator, side: int) -> Field:
    """Even glaze with a few specks."""
    specks = (rng.random((side, side), np.float32) > 0.997).astype(np.float32)
    field = octaves(rng, side, 16, 1.2)
    field -= np.float32(rng.uniform(0, 9)) * cv2.GaussianBlur(specks, (3, 3), 0.7)
    return standard(field + np.float32(rng.uniform(0.05, 0.6)) * _grain(rng, side))


def woven(rng: Generator, side: int) -> Field:
    """Crossing threads."""
    period = rng.uniform(4, 12)
    y, x = np.mgrid[:side, :side].astype(np.float32) * np.float32(2 * np.pi / period)
    x = x + noise(rng, side, 25) * np.float32(0.5)
    y = y + noise(rng, side, 25) * np.float32(0.5)
    over = np.sin(x / 2) * np.sin(y / 2) > 0
    field = np.where(over, np.abs(np.sin(x)), np.abs(np.sin(y))).astype(np.float32)
    return standard(standard(field) + np.float32(0.3) * _grain(rng, side))


def printed(rng: Generator, side: int) -> Field:
    """Flat blocks, stripes or dots of ink."""
    field = np.zeros((side, side), np.float32)
    for _ in range(int(rng.integers(2, 9))):
        ink = float(rng.normal())
        a, b = (tuple(int(v) for v in rng.integers(0, side, 2)) for _ in range(2))
        if rng.random() < 0.6:
            cv2.rectangle(field, a, b, ink, -1)
        else:
            cv2.circle(field, a, int(rng.integers(3, max(4, side // 3))), ink, -1, cv2.LINE_AA)
    if rng.random() < 0.5:
        period = int(rng.integers(4, 16))
        field[:, np.arange(side) % period < period // 2] += np.float32(rng.normal())
    return standard(field + np.float32(0.1) * _grain(rng, side))


def plain(rng: Generator, side: int) -> Field:
    """Almost nothing but the sensor's grain."""
    return standard(_grain(rng, side) + np.float32(rng.uniform(0.3, 2)) * noise(rng, side, 30))


SURFACES: Mapping[str, tuple[Callable[[Generator, int], Field], float, tuple[str, ...]]] = {
    "brushed": (brushed, 5, ("metal", "steel", "brushed metal", "striped metal")),
    "rolled": (rolled, 2, ("metal", "rolled steel", "metal strip", "sheet metal")),
    "ground": (ground, 1.5, ("metal", "ground metal", "machined metal")),
    "turned": (turned, 1.5, ("metal", "turned metal", "machined metal", "metal part")),
    "cast": (cast, 3, ("metal", "cast metal", "cast iron", "rough metal", "blasted metal")),
    "painted": (painted, 1.5, ("painted", "painted metal", "coated", "plastic")),
    "concrete": (concrete, 1.5, ("concrete", "stone", "rough")),
    "ceramic": (ceramic, 1.5, ("ceramic", "tile", "glass", "smooth")),
    "woven": (woven, 1, ("woven", "fabric", "textile")),
    "printed": (printed, 0.7, ("printed", "patterned")),
    "plain": (plain, 1.5, ("plain", "smooth", "metal")),
}
"""Surface by name: its function, how often it is drawn, and the words that describe it."""
