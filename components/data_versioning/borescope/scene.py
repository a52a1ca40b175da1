"""Which pieces there are, and which photos are taken of each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.data_versioning.borescope.camera import Exposure, Pose, photograph
from components.data_versioning.borescope.defects import CLASSES, draw
from components.data_versioning.borescope.noise import between
from components.data_versioning.borescope.part import Drawn
from components.data_versioning.borescope.wall import SIDE, Wall, build
from components.instances import Instance

SMALLEST = 12
"""A photo is framed again if it shows fewer pixels of a defect than this, but some."""

_TRIES, _ATTEMPTS = 6, 8


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
    """Build a piece and take its photos.

    Raises:
        ValueError: If its defects cannot be photographed, whatever is tried.
    """
    for attempt in range(_ATTEMPTS):
        rng = np.random.Generator(np.random.PCG64([seed, piece.number, attempt]))
        shots = _session(rng, piece)
        if len(shots) == piece.photos:
            return shots
    raise ValueError(f"seed {seed}: no view of {piece.name} shows its defects; take another seed")


def _session(rng: np.random.Generator, piece: Piece) -> list[Shot]:
    """The photos of a piece, fewer than wanted if a defect hides from the probe."""
    wall = build(rng)
    curve = between(rng, 0.00045, 0.0013)
    defects = _damage(wall, rng, piece.number) if piece.defective else []
    home = _pose(rng)
    shots: list[Shot] = []
    for number in range(piece.photos):
        exposure = _exposure(rng)
        for _ in range(_TRIES):
            # The second photo repeats the first one's pose: only the light differs.
            pose = home if number < 2 else _moved(rng, home)
            pixels, seen = photograph(wall, curve, defects, pose, exposure, rng)
            sizes = [int(one.mask.sum()) for one in seen]
            if not piece.defective or (sizes and min(sizes) >= SMALLEST):
                shots.append(Shot(pixels, seen))
                break
            if not shots:
                home = _pose(rng)
        else:
            break
    return shots


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
        for _ in range(40):
            row = SIDE / 2 + between(rng, -115.0, 115.0)
            column = SIDE / 2 + between(rng, -120.0, 120.0)
            if _clear(wall, places, row, column):
                break
        places.append((row, column))
    return [draw(wall, rng, label, *place) for label, place in zip(labels, places, strict=True)]


def _clear(wall: Wall, places: list[tuple[float, float]], row: float, column: float) -> bool:
    """Whether a place is apart from the other defects and not in a hole."""
    return all(
        (row - y) * (row - y) + (column - x) * (column - x) > 6400.0 for y, x in places
    ) and all(
        (row - y) * (row - y) + (column - x) * (column - x) > 2.5 * radius * radius
        for y, x, radius in wall.holes
    )


def _pose(rng: np.random.Generator) -> Pose:
    tilt = between(rng, 0.15, 0.75) * (1.0 if rng.random() < 0.7 else -1.0)
    return Pose(
        row=SIDE / 2 + between(rng, -45.0, 45.0),
        column=SIDE / 2 + between(rng, -55.0, 55.0),
        distance=between(rng, 430.0, 580.0),
        tilt=tilt,
        lean=between(rng, -0.3, 0.3),
        roll=between(rng, -0.35, 0.35),
    )


def _moved(rng: np.random.Generator, home: Pose) -> Pose:
    """The probe pushed on a little."""
    shift = 42.0
    return Pose(
        row=home.row + between(rng, -shift, shift),
        column=home.column + between(rng, -shift, shift),
        distance=home.distance * between(rng, 0.94, 1.06),
        tilt=home.tilt + between(rng, -0.06, 0.06),
        lean=home.lean + between(rng, -0.06, 0.06),
        roll=home.roll + between(rng, -0.05, 0.05),
    )


def _exposure(rng: np.random.Generator) -> Exposure:
    return Exposure(
        gain=between(rng, 0.65, 1.6),
        lamp=(between(rng, -330.0, 330.0), between(rng, -260.0, 260.0)),
        warmth=between(rng, -0.06, 0.16),
        glare=between(rng, 0.1, 1.2),
        veil=between(rng, 0.0, 0.03),
        fall=between(rng, 0.35, 0.95),
        noise=between(rng, 0.006, 0.024),
        focus=between(rng, 0.9, 1.15),
        defocus=int(rng.integers(1, 9)),
    )
