"""Exact Euclidean distances from the pixels of a frame to a mask."""

import numpy as np
from numpy.typing import NDArray

from components.instances import Mask


def away(mask: Mask) -> NDArray[np.float64]:
    """Distance of every pixel to the nearest pixel of a mask, pixels; 0 inside it.

    Exact to the last bit: OpenCV's precise transform has an approximate square root, whose last
    bits depend on the machine and on where an array lies in memory.

    Args:
        mask: (height, width), at least one pixel of it True.

    Raises:
        ValueError: If the mask is empty, for then there is no distance.
    """
    from scipy.ndimage import distance_transform_edt

    if not mask.any():
        raise ValueError("an empty mask has no distance to it")
    return np.asarray(distance_transform_edt(~mask), np.float64)
