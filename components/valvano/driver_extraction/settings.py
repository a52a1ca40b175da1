"""Settings of the topological driver."""

from typing import Annotated

from pydantic import Field

from components.settings import Settings


class DriverSettings(Settings):
    """The numbers that the paper leaves open, and its ceiling (section 3.2)."""

    scale: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Factor by which the picture is scaled down before the threshold."""

    window: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Side of the adaptive threshold's neighbourhood as a share of the scaled side; rounded to an
    odd number of pixels, at least 3."""

    constant: Annotated[float, Field(ge=-50, le=50)] = 6.0
    """Grey levels below the neighbourhood's mean at which a pixel counts as dark structure;
    rounded down to a whole number, as OpenCV does."""

    ceiling: Annotated[int, Field(ge=1, le=127)] = 50
    """Grey level of the geometry, out of 255: dim, so that the defect mask stands out."""

    margin: Annotated[float, Field(ge=0, le=0.2)] = 0.03
    """Width of the empty rim around a painted defect, as a share of the side; at least one pixel
    of the scaled picture. It hides what a defect does to its surroundings."""
