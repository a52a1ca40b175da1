"""The fractions of the real data: their names, and which one an artifact was made from."""

from pathlib import Path
from typing import Any

from components.record import read_record


def percent(fraction: float) -> str:
    """For people: `1 %`, `10 %`, `100 %`."""
    return f"{fraction * 100:g} %"


def folder(fraction: float) -> str:
    """For paths and keys: `0.01`, `0.1`, `1`."""
    return f"{fraction:g}"


def fraction_of(artifact: Any) -> float:
    """The fraction of the real data that a KFP artifact was made from.

    A step in a loop inside the loop over the fractions asks an artifact: KFP's local runner gives
    the inner loop's item where the outer one's is meant.
    """
    return float(read_record(Path(artifact.path)).scalars["fraction"])
