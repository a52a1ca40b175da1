"""How much the samples of one driver differ: the paper's L2 distance and mutual information.

The paper gives neither unit (its tables: L2 64.17 and 91.36, mutual information 1.36 and 0.70, for
10 samples of 10 drivers). Here, for a pair of images:

* `l2`: root of the mean squared difference over pixels and channels, grey levels 0..255;
* `l2_norm`: Euclidean length of the difference of the images in 0..1, scaled to the paper's 512 x
  512 pixels and three channels, the other way in which its figures can be read;
* `mutual_information`: of the grey levels of corresponding pixels, nats, from a joint histogram of
  64 x 64 bins. A histogram of few pixels overstates it, so the value of pairs of unlike drivers,
  which stands beside it, is the one to compare with.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.dataset import Image
from components.synthetic import Provenance

BINS = 64
PAPER_VALUES = 512 * 512 * 3
"""Numbers in one of the paper's images."""


def l2(one: Image, other: Image) -> float:
    """Root mean squared difference, grey levels 0 .. 255."""
    difference = one.astype(np.float32) - other.astype(np.float32)
    return float(np.sqrt(np.mean(difference.astype(np.float64) ** 2)))


def mutual_information(one: Image, other: Image) -> float:
    """Mutual information of the grey levels of corresponding pixels, nats, at least 0."""
    joint = np.bincount(
        _bins(one).ravel() * BINS + _bins(other).ravel(), minlength=BINS * BINS
    ).reshape(BINS, BINS)
    shares = joint / joint.sum()
    alone = np.outer(shares.sum(1), shares.sum(0))
    there = shares > 0
    return max(float((shares[there] * np.log(shares[there] / alone[there])).sum()), 0.0)


def measure_diversity(
    rows: Sequence[Provenance], read: Callable[[Provenance], Image], drivers: int, seed: int
) -> dict[str, Any]:
    """The diversity entry of `quality.json`.

    Args:
        rows: The synthetic set.
        read: Gives an image.
        drivers: Most drivers to compare the samples of, drawn at random.
        seed: Seed of the drivers and of the pairs of unlike drivers.
    """
    samples: dict[str, list[Provenance]] = {}
    for row in rows:
        samples.setdefault(row.driver, []).append(row)
    names = sorted(name for name, some in samples.items() if len(some) > 1)
    rng = np.random.default_rng([seed, 6])
    chosen = sorted(rng.permutation(len(names))[:drivers].tolist())
    pictures = [[read(row) for row in samples[names[place]]] for place in chosen]
    pairs = [pair for some in pictures for pair in combinations(some, 2)]
    entry: dict[str, Any] = {
        "definition": {
            "l2": "root mean squared difference of two samples of one driver, 0..255, mean over "
            "all pairs of a driver's samples",
            "l2_norm": "l2 / 255 times the root of 512 * 512 * 3",
            "mutual_information": f"of their grey levels, nats, {BINS} x {BINS} bins",
            "between_drivers": "the same for as many pairs of samples of unlike drivers, at most "
            "500",
        },
        "l2": None,
        "l2_norm": None,
        "mutual_information": None,
        "between_drivers": None,
        "reason": None,
        "drivers": len(chosen),
        "images": sum(len(some) for some in pictures),
        "pairs": len(pairs),
        "seed": seed,
    }
    if not pairs:
        return entry | {"reason": "no driver has two samples"}
    entry |= _means(pairs)
    if len(pictures) > 1:
        unlike = [_unlike(pictures, rng) for _ in range(min(len(pairs), 500))]
        entry["between_drivers"] = _means(unlike)
    return entry


def _means(pairs: Iterable[tuple[Image, Image]]) -> dict[str, float]:
    values = np.array([(l2(*pair), mutual_information(*pair)) for pair in pairs])
    distance, information = values.mean(0)
    return {
        "l2": float(distance),
        "l2_norm": float(distance / 255 * PAPER_VALUES**0.5),
        "mutual_information": float(information),
    }


def _unlike(pictures: Sequence[Sequence[Image]], rng: np.random.Generator) -> tuple[Image, Image]:
    one, other = rng.choice(len(pictures), 2, replace=False).tolist()
    return (
        pictures[one][int(rng.integers(len(pictures[one])))],
        pictures[other][int(rng.integers(len(pictures[other])))],
    )


def _bins(picture: Image) -> NDArray[np.int64]:
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.int64) * BINS // 256
