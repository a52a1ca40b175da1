"""Keeping a photo around what is drawn: blended latent diffusion.

What is kept is noised to the level that the drawing has reached and put back at every level, so
that the two always fit (Avrahami, Fried and Lischinski 2023, section 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from components.dataset import Image
from components.distance import away
from components.instances import Mask
from components.valvano.parts import Parts

SEAM = 2
"""Cells of the latents over which a drawing goes over into its ground."""

TINT = 9
"""Pixels over which a lost tint is averaged."""


@dataclass(frozen=True)
class Ground:
    """A picture that a drawn image keeps outside an area.

    Attributes:
        picture: (resolution, resolution, 3).
        area: Where to draw, (resolution, resolution); cells of the latents that it touches count.
        begun: What the drawing begins with, the picture with something laid on it in the area;
            None where it begins with noise.
    """

    picture: Image
    area: Mask
    begun: Image | None = None


@dataclass(frozen=True)
class Kept:
    """The grounds of a group, to be put back at every noise level.

    Attributes:
        pictures: The grounds, (n, resolution, resolution, 3).
        clean: Their latents, (n, channels, h, w).
        noise: The noise that the drawing began with, same shape.
        drawn: Cells that are drawn, (n, 1, h, w).
        begun: What the drawings begin with, as `pictures`; the grounds where it is noise alone.
        start: Latents of these.
    """

    pictures: NDArray[np.uint8]
    clean: Tensor
    noise: Tensor
    drawn: Tensor
    begun: NDArray[np.uint8]
    start: Tensor

    def restored(
        self,
        images: NDArray[np.uint8],
        coded: NDArray[np.uint8],
        started: NDArray[np.uint8],
        strength: float,
    ) -> NDArray[np.uint8]:
        """Images with what the autoencoder loses.

        In the drawn area the drawing gets the ground's tint and grain, without which a smooth
        patch would tell what was drawn; what the autoencoder loses of edges there belongs to
        things that were drawn over, and is cut to the strength of the grain. The less noise a
        drawing began with, the more of what is lost is that of its beginning instead, edges and
        all, for they are still there. Around the area it gives all that was lost. A decoder looks
        far, Stable Diffusion's everywhere: over `SEAM` cells the picture goes over into the ground
        itself.

        Args:
            images: The drawings, decoded, (n, resolution, resolution, 3).
            coded: The grounds after coding and decoding, same shape.
            started: What the drawings began with after coding and decoding, same shape.
            strength: Share of the noise levels that the drawings went through, 0 .. 1.
        """
        lost = self.pictures.astype(np.float32) - coded
        tint = np.stack([cv2.blur(one, (TINT, TINT)) for one in lost])
        grain = lost - tint
        most = 2 * np.median(np.abs(grain), axis=(1, 2, 3), keepdims=True)
        own = strength * (tint + grain.clip(-most, most))
        own += (1 - strength) * (self.begun.astype(np.float32) - started)
        height, width = images.shape[1:3]
        inside = functional.interpolate(self.drawn.float().cpu(), (height, width))
        areas = inside[:, 0].numpy().astype(np.uint8)
        added = np.where(areas[..., None] > 0, own, lost)
        cell = height // self.drawn.shape[2]
        shares = np.stack([_faded(area, SEAM * cell) for area in areas])[..., None]
        mixed = shares * (images + added) + (1 - shares) * self.pictures
        return np.rint(mixed).clip(0, 255).astype(np.uint8)

    def put_back(self, latents: Tensor, scheduler: Any, level: Tensor | None) -> Tensor:
        """The drawing inside, the ground outside; `level` None is no noise."""
        return torch.where(self.drawn, latents, self.noised(self.clean, scheduler, level))

    def noised(self, latents: Tensor, scheduler: Any, level: Tensor | None) -> Tensor:
        """Latents at a noise level; None is no noise."""
        if level is None:
            return latents
        levels = level.reshape(1).expand(len(latents))
        noised: Tensor = scheduler.add_noise(latents, self.noise, levels)
        return noised


def encode_grounds(grounds: Sequence[Ground | None], noise: Tensor, parts: Parts) -> Kept | None:
    """The grounds of a group, encoded; None where all of its images are drawn whole.

    Args:
        grounds: One an image.
        noise: The noise that the drawing begins with, (n, channels, h, w).
        parts: The model.

    Raises:
        ValueError: If some images of the group have a ground and others have none.
    """
    given = [one for one in grounds if one is not None]
    if not given:
        return None
    if len(given) < len(grounds):
        raise ValueError("a group keeps the ground of all its images or of none")
    pictures = np.stack([one.picture for one in given])
    clean = parts.encode(pictures).mean.to(noise.device)
    begun, start = pictures, clean
    if any(one.begun is not None for one in given):
        begun = np.stack([one.picture if one.begun is None else one.begun for one in given])
        start = parts.encode(begun).mean.to(noise.device)
    areas = torch.from_numpy(np.stack([one.area for one in given]))[:, None].float()
    drawn = functional.adaptive_max_pool2d(areas, noise.shape[2:]) > 0
    return Kept(pictures, clean, noise, drawn.to(noise.device), begun, start)


def _faded(area: NDArray[np.uint8], reach: int) -> NDArray[np.float32]:
    """1 in an area, falling to 0 at `reach` pixels from it."""
    if not area.any():
        return np.zeros(area.shape, np.float32)
    return np.clip(1 - away(area > 0) / (reach + 1), 0, 1).astype(np.float32)
