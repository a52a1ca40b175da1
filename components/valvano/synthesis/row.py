"""A row of the plan: everything that decides one synthetic image, models aside."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from components.synthetic import Provenance
from components.valvano.synthesis.augment import Augmentation
from components.valvano.synthesis.perturb import Perturbation

FILE = "plan.parquet"

T = TypeVar("T", Augmentation, Perturbation)


@dataclass(frozen=True)
class Row(Provenance):
    """How one synthetic image is made. Rows of one driver differ by `id` and `seed` alone.

    Attributes:
        version: Number of the source frame's augmented version; 0 is the frame itself.
        flip: As in `Augmentation`, like the next eight.
        turn: Degrees.
        zoom: Factor.
        shift_x: Share of the side.
        shift_y: Share of the side.
        contrast: Factor.
        brightness: Grey levels.
        noise: Grey levels.
        noise_seed: Seed of the grain.
        instances: Numbers of the mask frame's instances that are taken, separated by commas.
        rotation: As in `Perturbation`, like the next three; degrees.
        scaling: Factor.
        warp: Pixels.
        warp_seed: Seed of the displacement.
        dx: Pixels that the perturbed mask is moved to the right.
        dy: Pixels that the perturbed mask is moved down.
        fitted: Whether a place on the object was found; otherwise the mask is as annotated.
    """

    version: int
    flip: bool
    turn: float
    zoom: float
    shift_x: float
    shift_y: float
    contrast: float
    brightness: float
    noise: float
    noise_seed: int
    instances: str
    rotation: float
    scaling: float
    warp: float
    warp_seed: int
    dx: int
    dy: int
    fitted: bool

    @property
    def augmentation(self) -> Augmentation:
        """How the source frame is varied."""
        return _part(Augmentation, self)

    @property
    def perturbation(self) -> Perturbation:
        """How the mask is varied."""
        return _part(Perturbation, self)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the mask frame's instances that are taken."""
        return tuple(int(number) for number in self.instances.split(","))


def write_plan(folder: Path, rows: Sequence[Row]) -> None:
    """Write `plan.parquet`."""
    import pandas

    pandas.DataFrame([asdict(row) for row in rows]).to_parquet(folder / FILE, index=False)


def read_plan(folder: Path) -> list[Row]:
    """The rows of a plan artifact, in the order of their ids."""
    import pandas

    rows = pandas.read_parquet(folder / FILE).to_dict("records")
    return [Row(**{str(name): value for name, value in row.items()}) for row in rows]


def rows_of_shard(rows: Sequence[Row], shard: int, shards: int) -> list[Row]:
    """One of `shards` contiguous parts, as even as can be; together they are all rows.

    Raises:
        ValueError: If there is no such shard.
    """
    if not 0 <= shard < shards:
        raise ValueError(f"shard {shard} of {shards} does not exist; they count from 0")
    return list(rows[len(rows) * shard // shards : len(rows) * (shard + 1) // shards])


def _part(kind: type[T], row: Row) -> T:
    values: dict[str, Any] = {one.name: getattr(row, one.name) for one in fields(kind)}
    return kind(**values)
