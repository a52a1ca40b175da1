"""Resamples of the test part, and the intervals they give."""

import numpy as np
from numpy.typing import NDArray

Interval = list[float] | None
"""Lower and upper end, or None where no resample has a value."""


def resample(units: int, times: int, seed: int) -> NDArray[np.int64]:
    """How often each unit is drawn when as many are drawn as there are, with replacement.

    The same for every network, so that differences between networks are paired.

    Args:
        units: Number of units of the test part.
        times: Number of resamples.
        seed: Seed of the draws.

    Returns:
        (times, units).
    """
    if units == 0 or times == 0:
        return np.zeros((0, units), np.int64)
    rng = np.random.default_rng([seed, 8])
    return rng.multinomial(units, np.full(units, 1 / units), size=times).astype(np.int64)


def interval(values: NDArray[np.float64], confidence: float) -> Interval:
    """Percentile interval of the resamples' values, those without a value left out."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return [float(low), float(high)]
