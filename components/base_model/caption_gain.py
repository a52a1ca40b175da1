"""What captions are worth to the denoiser, on textures that nothing was trained on."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.base_model.architecture import Model
from components.base_model.fit_denoiser import beside, noised, squares


class CaptionGain(NamedTuple):
    """Mean square errors of the velocity with the same noise and the same times.

    Attributes:
        own: Of whole pictures with their own captions.
        other: Of the same with the caption of another picture.
        marked: In and beside marks, with the pictures' own captions.
        untold: There, with the captions cut before they name the mark.
    """

    own: float
    other: float
    marked: float
    untold: float

    def named(self) -> dict[str, float]:
        """The same with names for a reader."""
        return {
            "denoiser loss on held-out textures, own captions": self.own,
            "denoiser loss on held-out textures, other captions": self.other,
            "denoiser loss in their marks, own captions": self.marked,
            "denoiser loss in their marks, captions that name no mark": self.untold,
        }


@torch.no_grad()
def caption_gain(
    model: Model, latents: Tensor, marked: NDArray[np.bool_], captions: list[str], seed: int
) -> CaptionGain:
    """Measure on latents (count, 4, h, w), unscaled, with marks (count, side, side)."""
    kinds = (captions, captions[1:] + captions[:1], [one.split(" with ")[0] for one in captions])
    own, other, untold = (model.tokens(one) for one in kinds)
    where = beside(marked)[:, 0] > 0
    found: dict[str, list[Tensor]] = {name: [] for name in CaptionGain._fields}
    for start in range(0, len(latents), 32):
        part = slice(start, start + 32)
        errors = [
            squares(model, noised(model, latents[part], prompts[part], seed + start)).mean(1)
            for prompts in (own, other, untold)
        ]
        found["own"].append(errors[0].flatten())
        found["other"].append(errors[1].flatten())
        found["marked"].append(errors[0][where[part]])
        found["untold"].append(errors[2][where[part]])
    return CaptionGain(**{name: float(torch.cat(one).mean()) for name, one in found.items()})
