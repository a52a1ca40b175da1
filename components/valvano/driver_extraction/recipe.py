"""The recipe that a set of drivers was made by, kept with them as `recipe.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from components.pictures import class_colours
from components.valvano.driver_extraction.settings import DriverSettings

FILE = "recipe.json"

Colour = tuple[int, int, int]
"""Red, green, blue, 0 .. 255."""


@dataclass(frozen=True)
class Recipe:
    """All that turns a picture and its mask into a driver (Valvano et al. 2024, section 3.2).

    Attributes:
        scale: Factor by which the picture is scaled down before the threshold.
        window: Side of the threshold's neighbourhood as a share of the scaled side.
        constant: Grey levels below the neighbourhood's mean at which a pixel is dark structure.
        ceiling: Grey level of the geometry, out of 255.
        margin: Width of the empty rim around a painted defect, as a share of the side.
        resolution: Side of the pictures, pixels.
        colours: Colour of every class, in the order of the labels.
    """

    scale: float
    window: float
    constant: float
    ceiling: int
    margin: float
    resolution: int
    colours: dict[str, Colour]

    def __post_init__(self) -> None:
        """Refuse colours from which a mask could not be read back.

        Raises:
            ValueError: If two classes share a colour, or a colour is grey like the geometry.
        """
        for name, colour in self.colours.items():
            if len(set(colour)) == 1:
                raise ValueError(
                    f"class {name!r} has the grey colour {colour}, which geometry may have too; "
                    "give it a colour whose channels differ"
                )
        if len(set(self.colours.values())) < len(self.colours):
            raise ValueError(f"two classes share a colour: {self.colours}; make them differ")

    @property
    def rim(self) -> int:
        """Width of the empty rim in pixels, at least one pixel of the scaled picture."""
        return max(round(self.margin * self.resolution), round(1 / self.scale))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the labels."""
        return tuple(self.colours)


def make_recipe(settings: DriverSettings, classes: tuple[str, ...], resolution: int) -> Recipe:
    """The recipe for a dataset's classes and resolution."""
    colours = [(int(r), int(g), int(b)) for r, g, b in class_colours(len(classes))]
    return Recipe(
        **settings.model_dump(),
        resolution=resolution,
        colours=dict(zip(classes, colours, strict=True)),
    )


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write `recipe.json` into the folder of the drivers."""
    (folder / FILE).write_text(json.dumps(asdict(recipe), indent=2) + "\n")


def read_recipe(folder: Path) -> Recipe:
    """Read `recipe.json` from the folder of the drivers."""
    fields = json.loads((folder / FILE).read_text())
    colours = {name: tuple(colour) for name, colour in fields.pop("colours").items()}
    return Recipe(**fields, colours=colours)
