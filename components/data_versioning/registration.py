"""How well two photos show the same surface, whatever their exposure and place."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

Patch = NDArray[np.float32]
"""A locally normalised photo, (height, width), about -3 .. 3."""

LONGEST = 448
"""Photos are cut to this many pixels a side at the working scale."""

SHIFT = 48
"""Largest shift between two photos of a piece, pixels at the working scale."""


@dataclass(frozen=True)
class Match:
    """How well two photos register.

    Attributes:
        correlation: Of their textures in the overlap, -1 .. 1.
        peak: Height of the correlation peak over the other shifts, in standard deviations.
        shift: (y, x) that the second is moved by to lie on the first, pixels.
    """

    correlation: float
    peak: float
    shift: tuple[int, int] = (0, 0)


def normalised(grey: NDArray[np.uint8], scale: float) -> Patch:
    """The photo's texture at the working scale, free of exposure and uneven light."""
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top, left = max(0, grey.shape[0] - LONGEST) // 2, max(0, grey.shape[1] - LONGEST) // 2
    values = grey[top : top + LONGEST, left : left + LONGEST].astype(np.float32)
    detail = values - cv2.GaussianBlur(values, (0, 0), 4)
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 8)) + 1
    patch = np.clip(detail / spread, -2.5, 2.5)
    # The rim shows the edge of every piece alike, and the filters' border.
    rim = min(6, patch.shape[0] // 8, patch.shape[1] // 8)
    patch = patch[rim : patch.shape[0] - rim, rim : patch.shape[1] - rim]
    return patch - patch.mean()


def _without_streaks(patch: Patch) -> Patch:
    """The patch without what runs straight through it, which all brushed pieces share."""
    return patch - patch.mean(0, keepdims=True) - patch.mean(1, keepdims=True) + patch.mean()


class Register:
    """Registers pairs of patches by their spectra, which are computed once."""

    def __init__(self, patches: Sequence[Patch], pool: ThreadPoolExecutor) -> None:
        self.shape = tuple(
            scipy.fft.next_fast_len(max(patch.shape[axis] for patch in patches) + SHIFT, real=True)
            for axis in (0, 1)
        )
        self.patches = [_without_streaks(patch) for patch in patches]
        self.spectra = list(
            pool.map(lambda patch: scipy.fft.rfft2(patch, self.shape), self.patches)
        )

    def __call__(self, pair: tuple[int, int]) -> Match:
        """The match of two patches, given by their places, under the best shift."""
        one, two = self.patches[pair[0]], self.patches[pair[1]]
        products = scipy.fft.irfft2(
            self.spectra[pair[0]] * self.spectra[pair[1]].conj(), self.shape
        )
        shifts = np.arange(-SHIFT, SHIFT + 1)
        products = products[np.ix_(shifts, shifts)]
        rows, columns = (
            np.minimum(one.shape[axis], two.shape[axis] + shifts) - np.maximum(0, shifts)
            for axis in (0, 1)
        )
        overlap = np.maximum(rows, 0)[:, None] * np.maximum(columns, 0)[None, :]
        allowed = overlap >= 0.5 * min(one.size, two.size)
        # A sum over n independent pixels grows with the root of n by chance.
        surface = np.where(allowed, products / np.sqrt(np.maximum(overlap, 1)), 0)
        seen = surface[allowed]
        if seen.size < 2 or not seen.std() > 0:
            return Match(0.0, 0.0)
        dy, dx = (int(at) - SHIFT for at in np.unravel_index(surface.argmax(), surface.shape))
        a = one[max(0, dy) : two.shape[0] + dy, max(0, dx) : two.shape[1] + dx]
        b = two[max(0, -dy) : one.shape[0] - dy, max(0, -dx) : one.shape[1] - dx]
        a, b = a - a.mean(), b - b.mean()
        energy = float(np.sqrt((a * a).sum() * (b * b).sum()))
        correlation = float((a * b).sum()) / energy if energy > 0 else 0.0
        return Match(correlation, float((surface.max() - seen.mean()) / seen.std()), (dy, dx))

    def refined(self, pair: tuple[int, int], match: Match) -> Match:
        """The match after an affine warp, for pieces that were also turned a little.

        The warp starts at the match's shift (Evangelidis and Psarakis, PAMI 2008). A warp that
        does not converge, or leaves less than half of the smaller photo, changes nothing.
        """
        one, two = self.patches[pair[0]], self.patches[pair[1]]
        start = np.array([[1, 0, -match.shift[1]], [0, 1, -match.shift[0]]], np.float32)
        stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-4)
        try:
            _, warp = cv2.findTransformECC(one, two, start, cv2.MOTION_AFFINE, stop, None, 5)
        except cv2.error:
            return match
        size, back = one.shape[::-1], cv2.WARP_INVERSE_MAP
        inside = cv2.warpAffine(np.ones_like(two), warp, size, flags=back) > 0.5
        if inside.sum() < 0.5 * min(one.size, two.size):
            return match
        warped = cv2.warpAffine(two, warp, size, flags=cv2.INTER_LINEAR | back)
        a, b = one[inside] - one[inside].mean(), warped[inside] - warped[inside].mean()
        energy = float(np.sqrt((a * a).sum() * (b * b).sum()))
        correlation = float((a * b).sum()) / energy if energy > 0 else 0.0
        return Match(max(correlation, match.correlation), match.peak, match.shift)
