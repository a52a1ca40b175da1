"""How large a base model is, from the headers of its files: what a run needs follows from it."""

import json
from dataclasses import dataclass
from pathlib import Path

from components.base_model.folder import parameters
from components.base_model.settings import EMBEDDED, BaseModelSettings

_COPIED = 0.42
"""Share of a UNet's parameters that its encoder has, which the hypernetwork copies."""


@dataclass(frozen=True)
class Scale:
    """The size of a base model.

    Attributes:
        unet: Parameters of the denoiser.
        beside: Parameters of autoencoder and text encoder.
        factor: Pixels that a latent cell is wide.
        size: Bytes of its folder, or of its download.
    """

    unet: int
    beside: int
    factor: int
    size: int

    def cells(self, resolution: int) -> int:
        """Latent cells of an image whose side has so many pixels."""
        return (resolution // self.factor) ** 2

    @property
    def control(self) -> int:
        """Parameters of the hypernetwork."""
        return round(_COPIED * self.unet)


TINY = Scale(unet=2_451_588, beside=491_079, factor=4, size=6_500_000)
"""The embedded model."""

STABLE_DIFFUSION = Scale(unet=859_520_964, beside=206_700_000, factor=8, size=4_270_000_000)
"""Stable Diffusion 1.5; 2.1 has a tenth more."""


def scale(settings: BaseModelSettings) -> Scale:
    """The size of the model that the settings name.

    Nothing is downloaded: what is on a hub is taken to be as large as Stable Diffusion 1.5.
    """
    if settings.source == EMBEDDED:
        return TINY
    folder = Path(settings.source).expanduser()
    if not folder.is_dir():
        return STABLE_DIFFUSION
    counts = parameters(folder)
    config = json.loads((folder / "vae" / "config.json").read_text())
    levels = config.get("block_out_channels", range(4))
    return Scale(
        unet=counts["unet"],
        beside=sum(counts.values()) - counts["unet"],
        factor=2 ** (len(levels) - 1),
        size=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )
