"""Masks with a margin around them."""

import numpy as np

from components.instances import Mask


def square(mask: Mask, by: int) -> Mask:
    """The pixels of a mask (height, width) and all within `by` rows and columns of one."""
    import cv2

    side = 2 * by + 1
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)), bool)


def disc(mask: Mask, by: int) -> Mask:
    """The pixels of a mask (height, width) and all in a disc of `by` pixels around one."""
    import cv2

    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * by + 1, 2 * by + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), around), bool)
