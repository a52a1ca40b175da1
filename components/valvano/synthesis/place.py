"""Find a place on the object for a perturbed mask."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.instances import Mask
from components.valvano.synthesis.perturb import Patch, Perturbation, perturb
from components.valvano.synthesis.settings import PlanSettings

SHAPES, PLACES = 4, 25
"""Perturbations that are tried for a mask, and places for each, before it stays where it was."""


CUT_ROTATION = 20.0
"""Degrees by which a mask that its own frame cuts off is turned at most. It goes on past the frame
by guesswork only; turned further, the guess and its end would come into view."""


@dataclass(frozen=True)
class Placement:
    """A mask's perturbation and its move.

    Attributes:
        how: The perturbation.
        dx: Pixels to the right.
        dy: Pixels down.
        fitted: Whether it lies on the object; otherwise it is the mask as annotated.
    """

    how: Perturbation
    dx: int
    dy: int
    fitted: bool


def place(
    masks: Sequence[Mask],
    area: NDArray[np.bool_],
    settings: PlanSettings,
    rng: np.random.Generator,
) -> Placement:
    """Perturb masks and move them to a random place that lies wholly on the object.

    A mask stays whole: it never reaches over the frame's edge. One that was annotated at an edge
    continues past it and slides along it only.

    Args:
        masks: Masks of one frame, not empty, (side, side).
        area: Where the object is, (side, side).
        settings: Ranges of the perturbation.
        rng: Source of everything random.
    """
    side = area.shape[0]
    cut = _edges(np.logical_or.reduce(masks))
    turned = min(settings.rotation, CUT_ROTATION) if cut.any else settings.rotation
    ground = np.argwhere(area)
    for _ in range(SHAPES):
        how = Perturbation(
            rotation=float(rng.uniform(-1, 1) * turned),
            scaling=float(settings.scaling ** rng.uniform(-1, 1)),
            warp=float(settings.warp * side),
            warp_seed=int(rng.integers(2**31)),
        )
        patch = perturb(masks, how)
        height, width = patch.masks[0].shape
        for _ in range(PLACES):
            row, column = ground[rng.integers(len(ground))]
            dx = 0 if cut.left or cut.right else int(column) - patch.x - width // 2
            dy = 0 if cut.top or cut.bottom else int(row) - patch.y - height // 2
            if _fits(patch, dx, dy, area, cut):
                return Placement(how, dx, dy, fitted=True)
    return Placement(Perturbation(), 0, 0, fitted=False)


@dataclass(frozen=True)
class _Edges:
    """The frame's edges that a mask touches."""

    left: bool
    top: bool
    right: bool
    bottom: bool

    @property
    def any(self) -> bool:
        """Whether it touches one."""
        return self.left or self.top or self.right or self.bottom


def _edges(union: Mask) -> _Edges:
    return _Edges(
        bool(union[:, 0].any()),
        bool(union[0].any()),
        bool(union[:, -1].any()),
        bool(union[-1].any()),
    )


def _fits(patch: Patch, dx: int, dy: int, area: NDArray[np.bool_], cut: _Edges) -> bool:
    side = area.shape[0]
    height, width = patch.masks[0].shape
    left, top = patch.x + dx, patch.y + dy
    over = (
        (left < 0 and not cut.left)
        or (top < 0 and not cut.top)
        or (left + width > side and not cut.right)
        or (top + height > side and not cut.bottom)
    )
    if over:
        return False
    where, masks = patch.within(dx, dy, side)
    # A mask that ends up wholly past the edge it was cut at would be lost.
    return all(bool(mask.any() and area[where][mask].all()) for mask in masks)
