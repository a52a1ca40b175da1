"""Resamples of the test part, the luck of the trainings, and the intervals they give."""

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


def luck(values: NDArray[np.float64], times: int, seed: int) -> NDArray[np.float64]:
    """By how much a mean over trainings may miss that of all trainings with other seeds.

    By Student, that divided by the mean's standard error is distributed as t with one degree of
    freedom fewer than there are trainings. Nothing is known of it from one training.

    Args:
        values: The value of each training.
        times: Number of draws.
        seed: Seed of the draws.

    Returns:
        (times,); zeros for one training.
    """
    if len(values) < 2:
        return np.zeros(times)
    error = values.std(ddof=1) / np.sqrt(len(values))
    return np.random.default_rng([seed, 9]).standard_t(len(values) - 1, times) * error


def interval(values: NDArray[np.float64], confidence: float) -> Interval:
    """Percentile interval of the resamples' values, those without a value left out."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return [float(low), float(high)]
