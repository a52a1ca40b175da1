"""Procedural, seeded pictures of industrial surfaces with captions.

They are what the project's own weights are trained on, the base model's and the segmenter's: a
generic prior of surfaces, structures, lighting and marks that has seen no real domain.
`draw(seed, index, side)` is a pure function.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from components.textures.marks import MARKS, Picture
from components.textures.surfaces import SURFACES, Field, noise

_NOUNS = ("surface", "surface", "part", "tile", "plate", "component", "wall")
_MARKED = 0.6
"""Share of pictures with at least one mark."""
_INVENTED = 0.12
"""Share of captions whose noun is an invented word: new words must do no harm."""


_CORE = 0.25
"""A mark is where it changes the picture by more than this share of its largest change ..."""
_FAINTEST = 0.03
"""... if that is more than this, in reflectance."""


@dataclass(frozen=True)
class Mark:
    """One mark: its name in `MARKS` and where it is, (side, side)."""

    name: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Texture:
    """A picture (side, side, 3), RGB 0 .. 255, and what it shows.

    Attributes:
        image: The picture.
        caption: What a person would say of it.
        marks: The marks that can be seen in it.
    """

    image: NDArray[np.uint8]
    caption: str
    marks: tuple[Mark, ...]


def draw(seed: int, index: int, side: int = 96) -> Texture:
    """Draw picture `index` of the endless series `seed`.

    Args:
        seed: Which series.
        index: Which picture of it.
        side: Side of the picture, pixels, at least 16.
    """
    if side < 16:
        raise ValueError(f"side is {side}; textures need at least 16 pixels")
    rng = np.random.default_rng([seed, index])
    material, words = _material(rng)
    field = _seen(rng, material, side)
    level = float(rng.uniform(0.15, 0.85))
    contrast = float(np.exp(rng.uniform(np.log(0.025), np.log(0.2))))
    grey = level * np.clip(1 + contrast * 2 * field, 0.05, 3)
    picture = _coloured(rng, grey.astype(np.float32))
    background = _structure(rng, picture)
    words_of_marks, marks = _marks(rng, picture)
    if background is not None:
        picture *= (1 - background)[..., None]
        picture += (background * np.float32(rng.uniform(0.0, 0.15)))[..., None]
        marks = _seen_marks(marks, background < 0.5)
    image = _photographed(rng, _lit(rng, picture))
    caption = _caption(rng, words, words_of_marks, float(image.mean()) / 255)
    return Texture(image, caption, tuple(marks))


def _choice(rng: Generator, weights: list[float]) -> int:
    total = np.cumsum(weights)
    return int(np.searchsorted(total, rng.uniform(0, total[-1])))


def _material(rng: Generator) -> tuple[str, str]:
    names = list(SURFACES)
    name = names[_choice(rng, [SURFACES[one][1] for one in names])]
    words = SURFACES[name][2]
    return name, words[int(rng.integers(len(words)))]


def _seen(rng: Generator, material: str, side: int) -> Field:
    """The material turned, scaled and seen at a slant: (side, side)."""
    canvas = round(side * 1.5)
    field = SURFACES[material][0](rng, canvas)
    draws = rng.random()
    angle = rng.uniform(0, 360) if draws < 0.4 else 90.0 * (draws < 0.7) + rng.normal(0, 3)
    scale = np.exp(rng.uniform(np.log(0.75), np.log(1.7)))
    turn = cv2.getRotationMatrix2D((canvas / 2, canvas / 2), angle, scale)
    turn[:, 2] -= (canvas - side) / 2
    warp = np.vstack([turn, [0, 0, 1]])
    if rng.random() < 0.35:
        warp[2, :2] = rng.normal(0, 0.12 / side, 2)
    return np.asarray(
        cv2.warpPerspective(field, warp, (side, side), borderMode=cv2.BORDER_REFLECT), np.float32
    )


def _coloured(rng: Generator, grey: Field) -> Picture:
    """Half the pictures grey, half tinted, some with a second tint in patches."""
    if rng.random() < 0.5:
        return np.repeat(grey[..., None], 3, axis=2)
    spread = rng.choice([0.04, 0.08, 0.15, 0.3])
    tint = np.clip(1 + rng.normal(0, spread, 3), 0.3, 1.7).astype(np.float32)
    picture = grey[..., None] * tint
    if rng.random() < 0.4:
        other = np.clip(1 + rng.normal(0, spread, 3), 0.3, 1.7).astype(np.float32)
        share = np.clip(0.5 + noise(rng, len(grey), rng.uniform(8, 40)), 0, 1)[..., None]
        picture = picture * (1 + share * (other - 1))
    return np.asarray(picture, np.float32)


def _half_plane(rng: Generator, side: int, reach: float) -> Field:
    """Signed distance in pixels to a random line at most `reach` sides from the middle."""
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.integers(4) * np.pi / 2
    y, x = np.mgrid[:side, :side].astype(np.float32) - np.float32(side / 2)
    offset = np.float32(rng.uniform(-reach, reach) * side)
    distance = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y - offset
    if rng.random() < 0.3:
        distance = distance + noise(rng, side, side / 3) * np.float32(side * 0.03)
    return np.asarray(distance, np.float32)


def _structure(rng: Generator, picture: Picture) -> Field | None:
    """Draw edges, seams, openings into the picture; return what lies outside the part, if any."""
    side = len(picture)
    if rng.random() < 0.2:  # a step between two levels
        side_of = np.clip(_half_plane(rng, side, 0.5) / rng.uniform(0.7, 4) + 0.5, 0, 1)
        picture *= (1 + side_of * np.float32(rng.uniform(-0.5, 0.6)))[..., None]
    if rng.random() < 0.2:  # seams, joints, weld beads
        width = rng.uniform(0.6, 5)
        distance = np.abs(_half_plane(rng, side, 0.5))
        if rng.random() < 0.4:
            pitch = rng.uniform(0.25, 0.6) * side
            distance = np.abs((distance + pitch / 2) % pitch - pitch / 2)
        line = np.exp(-((distance / np.float32(width)) ** 2))
        picture *= (1 + line * np.float32(rng.uniform(-0.7, 0.6)))[..., None]
    if rng.random() < 0.12:  # a row of openings
        step = rng.uniform(0.12, 0.4, 2) * side * rng.choice([-1, 1], 2)
        place = rng.uniform(0, 1, 2) * side - step * 2
        radius = rng.uniform(0.015, 0.05) * side
        cover = np.zeros((side, side), np.uint8)
        for _ in range(8):
            centre = (round(place[0] * 16), round(place[1] * 16))
            cv2.circle(cover, centre, round(radius * 16), 255, -1, cv2.LINE_AA, 4)
            place = place + step
        share = cover.astype(np.float32) * np.float32(rng.uniform(0.5, 0.97) / 255)
        picture *= (1 - share)[..., None]
    draws = rng.random()
    if draws < 0.12:  # the part ends: background beyond an edge
        return np.clip(_half_plane(rng, side, 0.45) / rng.uniform(0.7, 3) + 0.5, 0, 1)
    if draws < 0.17:  # round view of an endoscope
        y, x = np.mgrid[:side, :side].astype(np.float32) / np.float32(side) - np.float32(0.5)
        view = np.float32(rng.uniform(0.42, 0.65))
        return np.clip((np.hypot(y, x) - view) * np.float32(side) / 2 + 0.5, 0, 1)
    return None


def _marks(rng: Generator, picture: Picture) -> tuple[list[str], list[Mark]]:
    """Draw some marks into the picture; return the words that name them, and where they are."""
    if rng.random() >= _MARKED:
        return [], []
    names = list(MARKS)
    found: list[str] = []
    places: list[Mark] = []
    for _ in range(int(rng.choice([1, 1, 1, 2]))):
        name = names[_choice(rng, [MARKS[one][1] for one in names])]
        before = picture.copy()
        MARKS[name][0](rng, picture)
        change = np.abs(picture - before).max(2)
        if change.max() > _FAINTEST:
            places.append(Mark(name, change > _CORE * change.max()))
        words = MARKS[name][2]
        found.append(words[0] if rng.random() < 0.6 else words[int(rng.integers(len(words)))])
    return found, places


def _seen_marks(marks: list[Mark], part: NDArray[np.bool_]) -> list[Mark]:
    """The marks as far as they lie on the part."""
    inside = [Mark(one.name, one.mask & part) for one in marks]
    return [one for one in inside if one.mask.any()]


def _lit(rng: Generator, picture: Picture) -> Picture:
    side = len(picture)
    y, x = np.mgrid[:side, :side].astype(np.float32) / np.float32(side) - np.float32(0.5)
    light = np.ones((side, side), np.float32)
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * np.pi)
        slope = np.float32(rng.uniform(0, 1.2))
        light *= 1 + slope * (np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y)
    if rng.random() < 0.3:
        light *= 1 + np.float32(rng.uniform(0.05, 0.3)) * noise(rng, side, side / 2)
    if rng.random() < 0.3:
        light *= np.maximum(1 - np.float32(rng.uniform(0.2, 1.6)) * (x * x + y * y), 0.05)
    picture = picture * np.maximum(light, 0.02)[..., None]
    if rng.random() < 0.2:
        centre = rng.uniform(-0.5, 0.5, 2).astype(np.float32)
        width = np.float32(rng.uniform(0.05, 0.4))
        distance = (y - centre[0]) ** 2 + ((x - centre[1]) * np.float32(rng.uniform(0.3, 1))) ** 2
        glare = np.exp(-distance / (2 * width * width)) * np.float32(rng.uniform(0.1, 0.9))
        picture = picture * (1 + glare[..., None]) + np.float32(0.3) * glare[..., None]
    return np.asarray(picture, np.float32)


def _photographed(rng: Generator, picture: Picture) -> NDArray[np.uint8]:
    """Exposure, lens and sensor: (side, side, 3), 0 .. 255."""
    exposure = np.float32(np.exp(rng.normal(-0.1, 0.35)))
    average = float(picture.mean()) * float(exposure)
    exposure *= np.float32(np.clip(average, 0.05, 0.65 if rng.random() < 0.9 else 1.0) / average)
    picture = np.clip(picture * exposure, 0, 1) ** np.float32(rng.uniform(0.7, 1.2))
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.9))
    grain = rng.standard_normal(picture.shape[:2], dtype=np.float32)[..., None]
    picture = picture + grain * np.float32(rng.uniform(0, 0.02))
    return np.asarray(np.clip(picture * 255 + 0.5, 0, 255), np.uint8)


def _caption(rng: Generator, material: str, marks: list[str], brightness: float) -> str:
    noun = str(rng.choice(_NOUNS))
    if rng.random() < _INVENTED:
        thing = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), int(rng.integers(2, 6))))
    else:
        thing = f"{material} {noun}" if rng.random() < 0.75 else noun
        if rng.random() < 0.5 and not 0.3 <= brightness <= 0.6:
            thing = f"{'dark' if brightness < 0.3 else 'bright'} {thing}"
    opening = str(rng.choice(["", "an image of ", "an image of ", "a photo of "]))
    text = f"{opening}{_article(thing)} {thing}"
    if not marks:
        return f"{text} without a defect" if rng.random() < 0.15 else text
    style = rng.random()
    if style < 0.35:
        return f"{text} with {_article(marks[0])} {marks[0]} crack"
    return f"{text} with " + " and ".join(f"{_article(mark)} {mark}" for mark in marks)


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"
