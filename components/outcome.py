"""What a step says about itself when it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Curve = Sequence[tuple[int, float]]
"""Points (training step, value), in the order of the steps."""


@dataclass(frozen=True)
class Outcome:
    """A finished step's numbers; its files lie in the folder it was given.

    A step that has something to look at also leaves PNG files in `preview/` of that folder.

    Attributes:
        metrics: Scalars by name. A value that is not finite is shown in the report but never
            reaches KFP.
        curves: Curves by name, for instance `loss`.
        warnings: Sentences for the top of the report: what a reader must know before the numbers.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    warnings: Sequence[str] = ()
