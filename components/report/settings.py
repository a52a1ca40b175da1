"""Settings of the report."""

from typing import Annotated

from pydantic import Field

from components.settings import Settings


class ReportSettings(Settings):
    """How much the report shows."""

    samples: Annotated[int, Field(ge=1, le=200)] = 12
    """Synthetic images shown for every fraction."""
