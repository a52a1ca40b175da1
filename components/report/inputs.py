"""What the report is made from, read once."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.dataset import Dataset
from components.record import Record, read_record
from components.synthetic import SyntheticSet


@dataclass(frozen=True)
class Part:
    """An artifact that belongs to one fraction of the real data.

    Attributes:
        fraction: The fraction, 0 .. 1.
        path: Its folder.
        record: What its step says about it.
    """

    fraction: float
    path: Path
    record: Record


@dataclass(frozen=True)
class Run:
    """A finished run, as far as the report shows it.

    Attributes:
        dataset: The dataset artifact.
        drivers: Folder of the drivers of the annotated training frames.
        prior: Folder of the class images.
        concepts: The models of phase 1, by ascending fraction, like all that follow.
        controls: The hypernetworks of phase 2.
        plans: The plans.
        synthetics: The synthetic sets.
        scores: `scores.json` of every fraction, with its part.
        qualities: `quality.json` of every fraction, with its part.
        records: The records of all steps, inputs before what was made of them, without lineage.
        config: The whole run's configuration.
    """

    dataset: Dataset
    drivers: Path
    prior: Path
    concepts: list[Part]
    controls: list[Part]
    plans: list[Part]
    synthetics: list[Part]
    scores: list[tuple[Part, dict[str, Any]]]
    qualities: list[tuple[Part, dict[str, Any]]]
    records: list[Record]
    config: dict[str, Any]

    @property
    def fractions(self) -> list[float]:
        """All fractions that anything was made or measured for, ascending."""
        parts = [*self.concepts, *self.controls, *self.plans, *self.synthetics]
        parts += [part for part, _ in (*self.scores, *self.qualities)]
        return sorted({part.fraction for part in parts})

    def synthetic(self, fraction: float) -> SyntheticSet | None:
        """The synthetic set of a fraction, if there is one."""
        for part in self.synthetics:
            if part.fraction == fraction:
                return SyntheticSet(part.path)
        return None


def read_run(
    dataset: Path,
    drivers: Path,
    prior: Path,
    concepts: Sequence[Path],
    controls: Sequence[Path],
    plans: Sequence[Path],
    synthetics: Sequence[Path],
    scores: Sequence[Path],
    qualities: Sequence[Path],
    config: str,
) -> Run:
    """Read the artifacts that `write` is given.

    Raises:
        ValueError: If a list holds an artifact whose record names no fraction.
    """
    lists = [concepts, controls, plans, synthetics, scores, qualities]
    return Run(
        Dataset(dataset),
        drivers,
        prior,
        _parts(concepts),
        _parts(controls),
        _parts(plans),
        _parts(synthetics),
        [(part, _json(part.path / "scores.json")) for part in _parts(scores)],
        [(part, _json(part.path / "quality.json")) for part in _parts(qualities)],
        _union([dataset, drivers, prior, *(path for one in lists for path in one)]),
        json.loads(config),
    )


def _parts(paths: Iterable[Path]) -> list[Part]:
    return sorted((_part(path) for path in paths), key=lambda part: part.fraction)


def _part(path: Path) -> Part:
    record = read_record(path)
    if "fraction" not in record.scalars:
        raise ValueError(
            f"the artifact of step {record.step!r} names no fraction: every artifact that the"
            " report is given a list of needs the scalar `fraction` in its record"
        )
    return Part(float(record.scalars["fraction"]), path, record)


def _union(paths: Iterable[Path]) -> list[Record]:
    """Every record once, steps kept together in the order in which they first appear."""
    found: dict[tuple[str, str], Record] = {}
    for path in paths:
        record = read_record(path)
        for one in (*record.lineage, record):
            found.setdefault((one.key, one.label), replace(one, lineage=[]))
    order: dict[str, int] = {}
    for one in found.values():
        order.setdefault(one.step, len(order))
    return sorted(found.values(), key=lambda one: order[one.step])


def _json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text())
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds {type(content).__name__}, not an object")
    return content
