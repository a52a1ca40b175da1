"""Simple texture features that need no weights, for a distance that every plant can compute.

They are not Inception features and the distance over them is not FID. They say whether brightness,
colour, contrast and the strength of edges at three scales and four directions are distributed as
in real frames; they say nothing of shapes.
"""

import numpy as np
from numpy.typing import NDArray

from components.dataset import Image

OCTAVES = 3
FLOOR = 1e-3
"""Added before the logarithm, a quarter of a grey level out of 1."""

WIDTH = 6 + 5 * OCTAVES
"""Number of features."""

_SLOPE = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32) / 8
_DIAGONAL = np.array([[-2, -1, 0], [-1, 0, 1], [0, 1, 2]], np.float32) / 8
_FILTERS = (
    _SLOPE,
    np.ascontiguousarray(_SLOPE.T),
    _DIAGONAL,
    np.ascontiguousarray(_DIAGONAL[:, ::-1]),
    np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32) / 4,
)
"""Slopes along x, y and both diagonals, and the Laplacian."""


def texture_features(picture: Image) -> NDArray[np.float64]:
    """Features of one picture, (21,).

    Mean of each colour channel; logarithm of each channel's standard deviation; and, at full, half
    and quarter size, the logarithm of the mean absolute answer of five small filters.

    Args:
        picture: (height, width, 3), 0 .. 255.
    """
    import cv2

    colour = picture.astype(np.float32) / 255
    features = [*colour.mean((0, 1)), *np.log(colour.std((0, 1)) + FLOOR)]
    grey = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
    for _ in range(OCTAVES):
        for one in _FILTERS:
            answer = cv2.filter2D(grey, cv2.CV_32F, one, borderType=cv2.BORDER_REFLECT_101)
            features.append(np.log(np.abs(answer).mean() + FLOOR))
        grey = cv2.pyrDown(grey)
    return np.array(features, np.float64)


def standardise(
    features: NDArray[np.float64], reference: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Features in standard deviations of the reference set, so that each counts alike.

    Args:
        features: (images, features).
        reference: (images, features); a feature that never varies there keeps its unit.
    """
    spread = reference.std(0)
    return (features - reference.mean(0)) / np.where(spread > 0, spread, 1)
