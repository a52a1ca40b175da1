"""Sizes and shapes of the anchors, the same for all libraries."""

ASPECTS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Height over width; cracks are long and thin."""

_LARGEST = 2 / 3


def anchor_sizes(resolution: int, levels: int) -> list[float]:
    """Side of a square anchor on every level of the feature pyramid, finest first, pixels.

    The coarsest has two thirds of the frame's side, and every finer level half of the next: 8, 16,
    32 and 64 px on four levels at 96 px.
    """
    return [resolution * _LARGEST / 2 ** (levels - 1 - level) for level in range(levels)]
