"""What a training step of the hypernetwork minimises."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import ControlNetModel
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.latents import Views, normal
from components.valvano.noise import NoiseSchedule, batch, generator
from components.valvano.orientation import lay
from components.valvano.parts import Parts
from components.valvano.sampler import condition


@dataclass(frozen=True)
class Objective:
    """What a training step minimises.

    Attributes:
        settings: The training.
        parts: The model of phase 1, frozen, or with a decoder that is trained along.
        control: The hypernetwork.
        schedule: The forward process.
        photos: Latents of the photos.
        drivers: (n, resolution, resolution, 3), 0 .. 255.
        weights: Loss weights of the latents' cells, (n, side, side).
        texts: Embedded prompt of every photo, (n, length, width).
        seed: Seed of the training.
    """

    settings: HyperNetworkSettings
    parts: Parts
    control: ControlNetModel
    schedule: NoiseSchedule
    photos: Views
    drivers: NDArray[np.uint8]
    weights: NDArray[np.float32]
    texts: Tensor
    seed: int

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Denoising loss of a batch, and its unweighted parts inside and outside the defects."""
        rng = generator(self.seed, step)
        which = batch(self.seed, step, self.settings.batch, len(self.photos))
        clean, orientations = self.photos.draw(which, rng)
        times = self.schedule.times(len(which), rng, self.settings.strength)
        noise = normal(clean.shape, rng)
        laid = list(zip(which, orientations.tolist(), strict=True))
        pictures = np.stack([lay(self.drivers[one], way) for one, way in laid])
        weights = torch.from_numpy(np.stack([lay(self.weights[one], way) for one, way in laid]))

        # Counted here, for on an accelerator every look at a number waits for it.
        inside, cells = weights > 1, int((weights > 1).sum())
        device, precision = self.parts.on.device, self.parts.on.dtype
        clean, noise, times = clean.to(device), noise.to(device), times.to(device)
        weights, inside, texts = weights.to(device), inside.to(device), self.texts[which]
        noised = self.schedule.noised(clean, noise, times).to(precision)
        down, middle = self.control(
            noised, times, texts, condition(pictures, self.parts), return_dict=False
        )
        said = self.parts.unet(
            noised,
            times,
            texts,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]
        wanted = self.schedule.target(clean, noise, times)
        errors = (said.float() - wanted).square().mean(1)
        loss = ((errors * weights).sum((1, 2)) / weights.sum((1, 2))).mean()
        return (
            {"loss": loss, "loss_defect": (errors * inside).sum() / cells}
            if cells
            else {"loss": loss}
        )


def loss_weights(
    masks: Sequence[NDArray[np.bool_]], side: int, settings: HyperNetworkSettings
) -> NDArray[np.float32]:
    """Loss weights (n, side, side): `mask_weight` in cells that a defect touches, and around."""
    stacked = torch.from_numpy(np.stack(masks))[:, None].float()
    cells = F.adaptive_max_pool2d(stacked, side)
    wide = F.max_pool2d(cells, 3, stride=1, padding=1)[:, 0]
    weights: NDArray[np.float32] = (1 + (settings.mask_weight - 1) * wide).numpy()
    return weights
