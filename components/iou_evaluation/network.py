"""The segmenters that are scored: what each was trained on, and what it predicted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.mask_rcnn.settings import REGIMES
from components.record import read_record


@dataclass(frozen=True)
class Network:
    """A trained segmenter as far as its scores need it.

    Attributes:
        regime: What it was trained on: `real`, `synthetic` or `synthetic_then_real`.
        seed: Seed of its training.
        threshold: Score at and above which a detection counts, chosen on the validation part.
        predictions: COCO results for every frame of the test part.
    """

    regime: str
    seed: int
    threshold: float
    predictions: list[dict[str, Any]]

    @property
    def name(self) -> str:
        """Regime and seed, which name a network of a fraction."""
        return f"{self.regime}_{self.seed}"


def read_networks(paths: Sequence[Path]) -> list[Network]:
    """The segmenters, by regime in the order of the paper's table 1, then by seed.

    Raises:
        ValueError: If two of them have the same regime and seed.
    """
    networks = []
    for path in paths:
        scalars = read_record(path).scalars
        networks.append(
            Network(
                regime=str(scalars["regime"]),
                seed=int(scalars["seed"]),
                threshold=float(json.loads((path / "model.json").read_text())["threshold"]),
                predictions=json.loads((path / "predictions" / "test.json").read_text()),
            )
        )
    names = [network.name for network in networks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"networks {twice} were given twice; a regime and a seed name one network of a fraction"
        )
    order: dict[str, int] = {regime: number for number, regime in enumerate(REGIMES)}
    return sorted(networks, key=lambda one: (order.get(one.regime, len(order)), one.seed))
