"""Frechet distance between two sets of features, each taken as a Gaussian.

    d² = |m1 - m2|² + tr C1 + tr C2 - 2 tr (C1 C2)^½

The covariances are never formed. With the centred features A (n1, d) and B (n2, d), C1 = A'A /
(n1 - 1) and C2 = B'B / (n2 - 1), the last trace is the sum of the singular values of A B' over the
root of (n1 - 1)(n2 - 1). That needs no matrix root, has no imaginary part to cut away, holds as
well where a set has fewer images than features, and for small sets costs a fraction of the usual
root of a (2048, 2048) product.
"""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]
"""One row an image, (images, features)."""


def frechet_distance(one: Features, other: Features) -> float:
    """Squared Frechet distance of two sets of features, what FID reports.

    Args:
        one: (images, features), at least two images.
        other: (images, features), at least two images.

    Raises:
        ValueError: If a set has fewer than two images, or the numbers of features differ.
    """
    if min(len(one), len(other)) < 2 or one.shape[1] != other.shape[1]:
        raise ValueError(
            f"sets of features {one.shape} and {other.shape}: a Frechet distance needs at least "
            "two images a set, and as many features in both"
        )
    first, second = one.astype(np.float64), other.astype(np.float64)
    gap = first.mean(0) - second.mean(0)
    first, second = _root(first), _root(second)
    overlap = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    # Rounding may leave a tiny negative number where the sets are alike.
    return max(float(gap @ gap + (first**2).sum() + (second**2).sum() - 2 * overlap), 0.0)


def _root(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """A matrix R with R'R the covariance, with no more rows than features."""
    centred = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    images, width = centred.shape
    return np.asarray(np.linalg.qr(centred, mode="r")) if images > width else centred
