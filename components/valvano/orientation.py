"""The eight ways in which a square picture can lie: mirrored or not, in four quarter turns."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

PLAIN = 0
"""As it is; odd numbers are mirrored first, and half the number is that of the quarter turns."""

Kind = TypeVar("Kind", bound=np.generic)


def lay(picture: NDArray[Kind], orientation: int) -> NDArray[Kind]:
    """A picture (side, side, ...) in another orientation, 0 .. 7."""
    mirrored = picture[:, ::-1] if orientation % 2 else picture
    return np.ascontiguousarray(np.rot90(mirrored, orientation // 2))


def orientations(
    count: int, draws: int, *, flips: bool, turns: bool, seed: int
) -> NDArray[np.int64]:
    """Orientations in which each of `count` pictures is learnt, (count, k).

    Args:
        count: Number of pictures.
        draws: How many pictures are drawn in all; there are no more views than that asks for.
        flips: Whether pictures may be mirrored.
        turns: Whether they may be turned.
        seed: Chooses where not all are taken.
    """
    allowed = np.array([one for one in range(8) if (flips or one % 2 == 0) and (turns or one < 2)])
    wanted = min(len(allowed), -(-draws // count))
    stacked = np.tile(allowed, (count, 1))
    if wanted == len(allowed):
        return stacked
    return np.random.default_rng([seed, count]).permuted(stacked, axis=1)[:, :wanted]
