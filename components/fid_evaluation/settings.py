"""Settings of the evaluation of synthetic images."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from components.settings import Settings


class FIDSettings(Settings):
    """How synthetic images are compared with real ones."""

    PLACES: ClassVar[dict[str, str]] = {"weights": "digest"}

    weights: str = ""
    """File with the Inception weights that clean-fid uses (inception-2015-12-05.pt); looked for
    in the usual places when empty."""

    digest: str = ""
    """SHA-256 that the file of weights must have, filled in when the run is prepared, so that
    another file, or one where there was none, is another result."""

    mode: Literal["clean", "legacy_pytorch", "legacy_tensorflow"] = "clean"
    """clean-fid's name for the way pictures are resized."""

    diversity_drivers: Annotated[int, Field(ge=1, le=1000)] = 10
    """Drivers whose samples are compared with each other; the paper takes 10."""

    batch: Annotated[int, Field(ge=1, le=512)] = 16
    """Pictures that Inception, or the judge, computes at once."""
