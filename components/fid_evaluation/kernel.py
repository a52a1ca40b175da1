"""Kernel distance (KID) between two sets of features: unbiased, so fit for small sets.

The squared maximum mean discrepancy under the polynomial kernel (x·y / d + 1)³, averaged over
random subsets of equal size, as clean-fid computes it, but with random numbers of its own.
"""

import numpy as np
from numpy.typing import NDArray

from components.fid_evaluation.frechet import Features

SUBSETS = 100
LARGEST = 1000


def kernel_distance(
    one: Features, other: Features, seed: int, subsets: int = SUBSETS, largest: int = LARGEST
) -> float:
    """KID of two sets of features; it may be negative, for its mean is 0 for equal sources.

    Args:
        one: (images, features), at least two images.
        other: (images, features), at least two images.
        seed: Seed of the subsets.
        subsets: Number of subsets.
        largest: Most images in a subset; it has as many as the smaller set, if that is less.

    Raises:
        ValueError: If a set has fewer than two images, or the numbers of features differ.
    """
    if min(len(one), len(other)) < 2 or one.shape[1] != other.shape[1]:
        raise ValueError(
            f"sets of features {one.shape} and {other.shape}: a kernel distance needs at least "
            "two images a set, and as many features in both"
        )
    first, second = one.astype(np.float64), other.astype(np.float64)
    size = min(len(first), len(second), largest)
    if size == len(first) == len(second):
        # Every subset is the whole set, in another order.
        return discrepancy(first, second)
    rng = np.random.default_rng([seed, 11])
    values = [
        discrepancy(
            first[rng.choice(len(first), size, replace=False)],
            second[rng.choice(len(second), size, replace=False)],
        )
        for _ in range(subsets)
    ]
    return float(np.mean(values))


def discrepancy(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Squared discrepancy of two sets of one size, without the pairs of an image with itself.

    Args:
        one: (images, features).
        other: (images, features).
    """
    size, width = one.shape
    within = _kernel(one, one, width) + _kernel(other, other, width)
    across = _kernel(one, other, width)
    apart = (within.sum() - np.trace(within)) / (size - 1)
    return float((apart - 2 * across.sum() / size) / size)


def _kernel(
    one: NDArray[np.float64], other: NDArray[np.float64], width: int
) -> NDArray[np.float64]:
    return np.asarray((one @ other.T / width + 1) ** 3)
