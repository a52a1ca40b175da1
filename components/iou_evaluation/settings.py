"""Settings of the evaluation of segmenters."""

from typing import Annotated

from pydantic import Field

from components.settings import Settings


class IoUSettings(Settings):
    """How segmenters are compared on the test part."""

    bootstrap: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """Resamples of the test photos for the intervals; 0 gives none."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Coverage of the intervals."""
