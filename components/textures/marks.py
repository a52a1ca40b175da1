"""Procedural marks: the flaws that can lie on a surface, drawn into a picture in place."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from components.textures.surfaces import Field, noise

Picture = NDArray[np.float32]
"""Linear reflectance (side, side, 3), about 0 .. 1."""

_SHIFT = 4
"""Fractional bits of the coordinates that lines are drawn with."""


def _start(rng: Generator, side: int) -> NDArray[np.float64]:
    return rng.uniform(0.12, 0.88, 2) * side


def _walk(
    rng: Generator, side: int, wander: float, length: float, step: float
) -> NDArray[np.float64]:
    """Points of a random walk whose direction changes by about `wander` radians a step."""
    count = max(2, round(length / step))
    angles = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, wander, count))
    angles += rng.normal(0, wander, count)
    moves = np.stack([np.cos(angles), np.sin(angles)], 1) * step
    return np.asarray(_start(rng, side) + np.cumsum(moves, 0))


def _stroke(side: int, points: NDArray[np.float64], width: float) -> Field:
    """Coverage 0 .. 1 of a line; widths below one pixel are faint."""
    canvas = np.zeros((side, side), np.uint8)
    line = np.round(points * 2**_SHIFT).astype(np.int32)[:, None]
    cv2.polylines(canvas, [line], False, 255, max(1, round(width)), cv2.LINE_AA, _SHIFT)
    return canvas.astype(np.float32) * np.float32(min(width, 1.0) / 255)


def _blob(rng: Generator, side: int, radius: float, ragged: float) -> Field:
    """Coverage 0 .. 1 of a closed, more or less ragged shape."""
    count = 24
    spectrum = rng.normal(0, 1, 5) + 1j * rng.normal(0, 1, 5)
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    waves = np.exp(1j * angles[:, None] * np.arange(2, 7)) / np.arange(2, 7)
    radii = radius * np.clip(1 + ragged * (waves @ spectrum).real, 0.25, 2.0)
    stretch = rng.uniform(0.6, 1.0)
    turn = rng.uniform(0, np.pi)
    shape = np.stack([np.cos(angles) * radii, np.sin(angles) * radii * stretch], 1)
    cosine, sine = np.cos(turn), np.sin(turn)
    shape = shape @ np.array([[cosine, sine], [-sine, cosine]]) + _start(rng, side)
    canvas = np.zeros((side, side), np.uint8)
    corners = np.round(shape * 2**_SHIFT).astype(np.int32)[:, None]
    cv2.fillPoly(canvas, [corners], 255, cv2.LINE_AA, _SHIFT)
    cover = canvas.astype(np.float32) / np.float32(255)
    return _frayed(rng, cover) if ragged > 0.25 and rng.random() < 0.7 else cover


def _frayed(rng: Generator, cover: Field) -> Field:
    """The cover with its outline bent at random by a few pixels."""
    side = len(cover)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    reach, size = np.float32(side * rng.uniform(0.01, 0.035)), rng.uniform(2.5, 8)
    bent = (x + reach * noise(rng, side, size), y + reach * noise(rng, side, size))
    return np.asarray(cv2.remap(cover, *bent, cv2.INTER_LINEAR), np.float32)


def _soft(cover: Field, sigma: float) -> Field:
    return np.asarray(cv2.GaussianBlur(cover, (0, 0), sigma), np.float32)


def _darken(picture: Picture, cover: Field, gain: float) -> None:
    """Multiply by `gain` where covered; above 1 it brightens."""
    picture *= (1 + cover * np.float32(gain - 1))[..., None]


def _tint(picture: Picture, cover: Field, colour: NDArray[np.float64]) -> None:
    picture *= 1 + cover[..., None] * (colour.astype(np.float32) - 1)


def _relief(picture: Picture, cover: Field, angle: float, strength: float) -> None:
    """Shade a cover's edge as if it were a step lit from `angle`."""
    slope = np.cos(angle) * cv2.Sobel(cover, cv2.CV_32F, 1, 0)
    slope = slope + np.sin(angle) * cv2.Sobel(cover, cv2.CV_32F, 0, 1)
    picture *= np.clip(1 + np.float32(strength) * slope, 0.2, 2.5)[..., None]


def crack(rng: Generator, picture: Picture) -> None:
    """A wandering dark line of one to four pixels, sometimes forked."""
    side = len(picture)
    length = side * rng.uniform(0.25, 1.1)
    points = _walk(rng, side, rng.uniform(0.05, 0.3), length, rng.uniform(2, 5))
    width = rng.choice([0.6, 0.8, 1, 1, 1, 2, 3])
    cover = _stroke(side, points, width)
    cut = int(rng.integers(1, len(points)))
    if rng.random() < 0.5:
        cover = np.maximum(cover, _stroke(side, points[cut - 1 : cut + 4], width + 1))
    if rng.random() < 0.4:
        fork = _walk(rng, side, 0.3, length * 0.4, 3)
        cover = np.maximum(cover, _stroke(side, fork - fork[0] + points[cut], max(1, width - 1)))
    _darken(picture, cover, rng.uniform(0.05, 0.65))
    if rng.random() < 0.3:
        _darken(picture, _soft(cover, 2), rng.uniform(0.6, 1.3))


def scratch(rng: Generator, picture: Picture) -> None:
    """One or a few nearly straight fine lines, bright or dark."""
    side = len(picture)
    gain = rng.uniform(1.3, 2.5) if rng.random() < 0.65 else rng.uniform(0.3, 0.75)
    points = _walk(rng, side, rng.uniform(0, 0.03), side * rng.uniform(0.2, 1.0), 4)
    for _ in range(int(rng.choice([1, 1, 2, 3, 5]))):
        moved = points + rng.normal(0, side * 0.04, 2)
        _darken(picture, _stroke(side, moved, rng.choice([0.6, 1, 1, 2])), gain)


def pit(rng: Generator, picture: Picture) -> None:
    """A few small dark dots, each with a bright edge at times."""
    side, angle = len(picture), rng.uniform(0, 2 * np.pi)
    gain = rng.uniform(0.1, 0.6)
    for _ in range(int(rng.integers(1, 8))):
        cover = _blob(rng, side, side * rng.uniform(0.01, 0.04), 0.2)
        _relief(picture, cover, angle, rng.uniform(0, 0.25))
        _darken(picture, cover, gain)


def blowhole(rng: Generator, picture: Picture) -> None:
    """One round dark cavity."""
    side = len(picture)
    cover = _blob(rng, side, side * rng.uniform(0.02, 0.08), 0.12)
    _relief(picture, cover, rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3))
    _darken(picture, _soft(cover, 0.6), rng.uniform(0.05, 0.5))


def hole(rng: Generator, picture: Picture) -> None:
    """A large, nearly black round opening."""
    side = len(picture)
    cover = _blob(rng, side, side * rng.uniform(0.06, 0.18), 0.03)
    _relief(picture, cover, rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3))
    _darken(picture, cover, rng.uniform(0.02, 0.25))


def stain(rng: Generator, picture: Picture) -> None:
    """A soft discoloured patch."""
    side = len(picture)
    ragged = _soft(_blob(rng, side, side * rng.uniform(0.08, 0.28), 0.5), rng.uniform(0.7, 3))
    cover = ragged * np.clip(0.8 + 0.4 * noise(rng, side, 8), 0.2, 1.3)
    _tint(picture, cover.astype(np.float32), rng.uniform(0.5, 0.9) * rng.uniform(0.85, 1.1, 3))


def spall(rng: Generator, picture: Picture) -> None:
    """A ragged patch where the surface has flaked off, with a lit edge and a rough floor."""
    side = len(picture)
    cover = _blob(rng, side, side * rng.uniform(0.06, 0.2), 0.5)
    floor = 1 + 0.25 * noise(rng, side, 2.5) * cover
    picture *= floor.astype(np.float32)[..., None]
    gain = rng.uniform(1.15, 1.9) if rng.random() < 0.5 else rng.uniform(0.4, 0.8)
    _tint(picture, cover, gain * rng.uniform(0.9, 1.1, 3))
    _relief(picture, cover, rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.25))


def burn(rng: Generator, picture: Picture) -> None:
    """A scorched area, dark inside, with brown or blue fringes."""
    side = len(picture)
    shape = _blob(rng, side, side * rng.uniform(0.08, 0.25), 0.4)
    fringe = np.array([1.05, 0.85, 0.65]) if rng.random() < 0.7 else np.array([0.75, 0.85, 1.05])
    _tint(picture, _soft(shape, side * 0.06), fringe)
    _darken(picture, _soft(shape, side * 0.03), rng.uniform(0.15, 0.55))


def dent(rng: Generator, picture: Picture) -> None:
    """A shallow bump: bright on one side, dark on the other."""
    side = len(picture)
    radius = side * rng.uniform(0.05, 0.2)
    bump = _soft(_blob(rng, side, radius, 0.1), radius * 0.5)
    _relief(picture, bump * np.float32(radius), rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.4))


def chip(rng: Generator, picture: Picture) -> None:
    """A piece broken off: a large flat area with a sharp angular edge."""
    side = len(picture)
    cover = np.zeros((side, side), np.float32)
    for _ in range(2):
        cover = np.maximum(cover, _blob(rng, side, side * rng.uniform(0.08, 0.22), 0.6))
    level = np.float32(rng.uniform(0.03, 0.35) if rng.random() < 0.7 else rng.uniform(0.5, 0.9))
    flat = level * (1 + 0.12 * noise(rng, side, 6)).astype(np.float32)
    picture *= (1 - cover)[..., None]
    picture += (cover * flat)[..., None]
    _relief(picture, cover, rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.2))


def spot(rng: Generator, picture: Picture) -> None:
    """A small bright speck."""
    side = len(picture)
    for _ in range(int(rng.integers(1, 4))):
        cover = _soft(_blob(rng, side, side * rng.uniform(0.01, 0.05), 0.1), rng.uniform(0.5, 1.2))
        _darken(picture, cover, rng.uniform(1.5, 3.0))


def fray(rng: Generator, picture: Picture) -> None:
    """A bundle of short fine lines side by side."""
    side = len(picture)
    points = _walk(rng, side, 0.05, side * rng.uniform(0.1, 0.3), 4)
    across = np.array([-1, 1]) * (points[-1] - points[0])[::-1]
    across = across / (np.linalg.norm(across) + 1e-6)
    for number in range(int(rng.integers(5, 14))):
        moved = points + across * number * rng.uniform(1.5, 3) + rng.normal(0, 1.5, 2)
        gain = rng.uniform(0.4, 0.8) if rng.random() < 0.6 else rng.uniform(1.2, 1.8)
        _darken(picture, _stroke(side, moved, 1), gain)


def uneven(rng: Generator, picture: Picture) -> None:
    """A broad region of other brightness."""
    side = len(picture)
    cover = _soft(_blob(rng, side, side * rng.uniform(0.25, 0.5), 0.5), rng.uniform(1, 5))
    gain = rng.uniform(1.15, 1.6) if rng.random() < 0.5 else rng.uniform(0.5, 0.85)
    _darken(picture, cover, gain)


MARKS: Mapping[str, tuple[Callable[[Generator, Picture], None], float, tuple[str, ...]]] = {
    "crack": (crack, 4, ("crack", "fissure", "fracture")),
    "scratch": (scratch, 3, ("scratch", "scrape", "line")),
    "pit": (pit, 2, ("pit", "pits", "pore")),
    "blowhole": (blowhole, 2, ("blowhole", "bubble", "cavity")),
    "hole": (hole, 1, ("hole", "opening")),
    "stain": (stain, 2, ("stain", "patch", "contamination")),
    "spall": (spall, 2, ("spall", "spallation", "delamination")),
    "burn": (burn, 2, ("burn", "scorch", "oxidation")),
    "dent": (dent, 1, ("dent", "bump")),
    "chip": (chip, 2, ("break", "chip", "missing")),
    "spot": (spot, 1, ("spot", "speck", "inclusion")),
    "fray": (fray, 1, ("fray", "wear")),
    "uneven": (uneven, 1, ("uneven", "shade")),
}
"""Mark by name: its function, how often it is drawn, and the words that name it."""
