"""Five kinds of defect, drawn into a wall's maps together with their exact extent."""

import numpy as np

from components.data_versioning.borescope.lines import crack, scratch
from components.data_versioning.borescope.part import Drawn
from components.data_versioning.borescope.patches import burn, pit, spall
from components.data_versioning.borescope.wall import Wall

CLASSES = ("crack", "pit", "spall", "burn", "scratch")
"""Names of the classes, in the order of their labels."""


def draw(wall: Wall, rng: np.random.Generator, label: int, row: float, column: float) -> Drawn:
    """Draw one defect of a class at about a place of the wall, texels, and say what it covers."""
    return (crack, pit, spall, burn, scratch)[label](wall, rng, row, column)
