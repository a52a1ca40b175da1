"""One distance, measured between all the sets that a reader needs to place the number."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.fid_evaluation.frechet import Features

Distance = Callable[[Features, Features], float]


@dataclass(frozen=True)
class Sets:
    """Features of the three sets that are compared, (images, features) each.

    Attributes:
        synthetic: The synthetic images.
        held_out: The annotated frames of the validation and the test part, which no generator
            has seen. They are only measured against here, never learnt from.
        train: The annotated training frames of the full data.
    """

    synthetic: Features
    held_out: Features
    train: Features


REFERENCES = {
    "reference": "annotated frames of the validation and the test part, which no generator saw",
    "against_train": "the same distance to the annotated training frames of the full data",
    "baseline": "the distance from those real training frames to the reference: what a generator "
    "could hope for",
    "matched": "both distances to the reference with sets of one size, drawn at random, for they "
    "shrink with the size of a set; compare these two",
}
"""What the keys of a measured distance mean."""


def measure(
    distance: Distance, sets: Sets, protocol: Mapping[str, Any], seed: int, reason: str = ""
) -> dict[str, Any]:
    """A distance's entry of `quality.json`.

    Args:
        distance: Takes two sets of features of at least two images each.
        sets: The features.
        protocol: What else names the number.
        seed: Seed of the subsets of one size.
        reason: Why nothing can be measured; empty where it can.
    """
    sizes = {
        "n_synthetic": len(sets.synthetic),
        "n_reference": len(sets.held_out),
        "n_train": len(sets.train),
    }
    if not reason and min(sizes["n_synthetic"], sizes["n_reference"]) < 2:
        reason = "a distance needs at least two synthetic and two annotated held-out images"
    entry: dict[str, Any] = {
        **protocol,
        "sets": REFERENCES,
        "value": None,
        "against_train": None,
        "baseline": None,
        "matched": None,
        "reason": reason if reason else None,
        **sizes,
        "rank_deficient": None,
        "seed": seed,
    }
    if reason:
        return entry
    width = sets.synthetic.shape[1]
    entry["value"] = _finite(distance(sets.synthetic, sets.held_out))
    entry["rank_deficient"] = min(sizes["n_synthetic"], sizes["n_reference"]) <= width
    if len(sets.train) >= 2:
        entry["against_train"] = _finite(distance(sets.synthetic, sets.train))
        entry["baseline"] = _finite(distance(sets.train, sets.held_out))
        size = min(len(sets.synthetic), len(sets.train))
        entry["matched"] = {
            "n": size,
            "value": _finite(distance(_draw(sets.synthetic, size, seed), sets.held_out)),
            "baseline": _finite(distance(_draw(sets.train, size, seed), sets.held_out)),
        }
    return entry


def _draw(features: Features, size: int, seed: int) -> Features:
    rng = np.random.default_rng([seed, 5])
    return features[np.sort(rng.choice(len(features), size, replace=False))]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
