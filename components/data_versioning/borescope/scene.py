"""Which pieces there are, and which photos are taken of each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.data_versioning.borescope.camera import Exposure, Pose, photograph
from components.data_versioning.borescope.defects import CLASSES, Drawn, draw
from components.data_versioning.borescope.wall import SIDE, Wall, build
from components.instances import Instance

SMALLEST = 14
"""A photo is framed again if it shows fewer pixels of a defect than this, but some."""

_TRIES = 60


@dataclass(frozen=True)
class Piece:
    """A section of liner wall.

    Attributes:
        number: Counts from 0; together with the seed it determines everything about the piece.
        photos: Number of photos taken of it.
        defective: Whether it has defects; all of its photos show at least one then.
    """

    number: int
    photos: int
    defective: bool

    @property
    def name(self) -> str:
        """Its name in `groups.csv`."""
        return f"piece-{self.number:03d}"


@dataclass(frozen=True)
class Shot:
    """A photo: RGB pixels (side, side, 3) and the defects seen in them."""

    pixels: NDArray[np.uint8]
    defects: list[Instance]


def pieces(annotated: int, clean: int) -> list[Piece]:
    """Pieces with two to four photos each that make up the wanted numbers of photos."""
    found: list[Piece] = []
    for wanted, defective in ((annotated, True), (clean, False)):
        while wanted > 0:
            number = len(found)
            # Two, three or four in turn; a last single photo is its own piece.
            count = min(wanted, 2 + number % 3)
            found.append(Piece(number, count, defective))
            wanted -= count
    return found


def shoot(seed: int, piece: Piece) -> list[Shot]:
    """Build a piece and take its photos."""
    rng = np.random.Generator(np.random.PCG64([seed, piece.number]))
    wall = build(rng)
    curve = _between(rng, 0.00045, 0.0013)
    defects = _damage(wall, rng, piece.number) if piece.defective else []
    home = _pose(rng)
    shots: list[Shot] = []
    for number in range(piece.photos):
        exposure = _exposure(rng)
        for _ in range(_TRIES):
            # The second photo repeats the first one's pose: only the light differs.
            pose = home if number < 2 and not shots else _moved(rng, home, far=number > 1)
            pixels, seen = photograph(wall, curve, defects, pose, exposure, rng)
            sizes = [int(one.mask.sum()) for one in seen]
            if not piece.defective or (sizes and min(sizes) >= SMALLEST):
                shots.append(Shot(pixels, seen))
                break
            if not shots:
                home = _pose(rng)
        else:
            raise ValueError(
                f"seed {seed}: no view of {piece.name} shows its defects; take another"
            )
    return shots


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def _damage(wall: Wall, rng: np.random.Generator, number: int) -> list[Drawn]:
    """Draw one to four defects; the first one's class goes round, so that classes balance."""
    labels = [number % len(CLASSES)]
    while len(labels) < 4 and rng.random() < 0.38:
        labels.append(int(rng.integers(0, len(CLASSES))))
    # Pits come in company.
    labels += [1] * (int(rng.integers(0, 4)) if 1 in labels else 0)
    # Lines go on top of patches, as they would be seen.
    labels.sort(key=(3, 2, 1, 0, 4).index)
    places: list[tuple[float, float]] = []
    for _ in labels:
        for _ in range(20):
            row = SIDE / 2 + _between(rng, -115.0, 115.0)
            column = SIDE / 2 + _between(rng, -120.0, 120.0)
            if all((row - y) * (row - y) + (column - x) * (column - x) > 4900.0 for y, x in places):
                break
        places.append((row, column))
    return [draw(wall, rng, label, *place) for label, place in zip(labels, places, strict=True)]


def _pose(rng: np.random.Generator) -> Pose:
    tilt = _between(rng, 0.15, 0.75) * (1.0 if rng.random() < 0.7 else -1.0)
    return Pose(
        row=SIDE / 2 + _between(rng, -45.0, 45.0),
        column=SIDE / 2 + _between(rng, -55.0, 55.0),
        distance=_between(rng, 430.0, 580.0),
        tilt=tilt,
        lean=_between(rng, -0.3, 0.3),
        roll=_between(rng, -0.35, 0.35),
    )


def _moved(rng: np.random.Generator, home: Pose, *, far: bool) -> Pose:
    """The probe held a little differently, or, if `far`, pushed on a bit."""
    shift = 42.0 if far else 10.0
    return Pose(
        row=home.row + _between(rng, -shift, shift),
        column=home.column + _between(rng, -shift, shift),
        distance=home.distance * _between(rng, 0.94, 1.06),
        tilt=home.tilt + _between(rng, -0.06, 0.06),
        lean=home.lean + _between(rng, -0.06, 0.06),
        roll=home.roll + _between(rng, -0.05, 0.05),
    )


def _exposure(rng: np.random.Generator) -> Exposure:
    return Exposure(
        gain=_between(rng, 0.65, 1.6),
        lamp=(_between(rng, -330.0, 330.0), _between(rng, -260.0, 260.0)),
        warmth=_between(rng, -0.06, 0.16),
        glare=_between(rng, 0.1, 1.2),
        veil=_between(rng, 0.0, 0.03),
        fall=_between(rng, 0.35, 0.95),
        noise=_between(rng, 0.006, 0.024),
        focus=_between(rng, 0.9, 1.15),
        defocus=int(rng.integers(1, 9)),
    )
