"""Settings of the topological driver."""

from typing import Annotated

from pydantic import Field

from components.settings import Settings


class DriverSettings(Settings):
    """The two numbers that the paper leaves open, and its ceiling (section 3.2)."""

    scale: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Factor by which the picture is scaled down before the threshold."""

    window: Annotated[float, Field(gt=0, le=1)] = 0.12
    """Side of the adaptive threshold's neighbourhood as a share of the scaled side; rounded to an
    odd number of pixels, at least 3."""

    constant: Annotated[float, Field(ge=-50, le=50)] = 4.0
    """Grey levels below the neighbourhood's mean at which a pixel counts as dark structure."""

    ceiling: Annotated[int, Field(ge=1, le=127)] = 50
    """Grey level of the geometry, out of 255: dim, so that the defect mask stands out."""
