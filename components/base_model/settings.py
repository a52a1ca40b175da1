"""Settings of the base model."""

import re
from pathlib import Path
from typing import ClassVar

from pydantic import model_validator

from components.settings import Settings

EMBEDDED = "embedded"
"""Name of the small base model that the project ships."""


class BaseModelSettings(Settings):
    """Which diffusion model everything starts from."""

    PLACES: ClassVar[dict[str, str]] = {"source": "digest"}

    source: str = EMBEDDED
    """`embedded`, a folder in the diffusers format, or a hub id such as `owner/name`."""

    revision: str = ""
    """Commit hash of a hub model; required for one, meaningless otherwise."""

    digest: str = ""
    """Content digest of a folder, filled in when the run is prepared, so that a changed folder
    is another model."""

    @property
    def folder(self) -> Path | None:
        """The folder that the model is read from; None for the embedded one and one of the hub."""
        local = self.digest or not self.revision or self.source.startswith(("/", ".", "~"))
        return Path(self.source).expanduser() if local and self.source != EMBEDDED else None

    @model_validator(mode="after")
    def _hub_models_are_pinned(self) -> "BaseModelSettings":
        here = self.source == EMBEDDED or self.source.startswith(("/", ".", "~")) or self.digest
        hub = not here and ("/" in self.source or self.revision)
        if hub and not re.fullmatch("[0-9a-f]{40}", self.revision):
            raise ValueError(
                f"hub model {self.source!r} needs revision=<40 hex digits>, the commit to pin, "
                f"not {self.revision!r}"
            )
        return self
