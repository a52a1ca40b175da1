"""The autoencoder's decoder learns the photos' tints and edges; the latents stay what they were.

Beside the method: Stable Diffusion's autoencoder needs no such thing, a small one shows the colours
of the pictures that it was made from. Only the decoder is trained, so the UNet and everything that
was learnt about its latents stay valid. Defect-free photos serve too; nothing of them is annotated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from components.checkpoint import Checkpoint
from components.dataset import Dataset, Frame
from components.valvano.dreambooth.settings import DECODER_BATCH, DreamBoothSettings
from components.valvano.latents import normal
from components.valvano.noise import generator
from components.valvano.parts import Parts
from components.valvano.training import fit

CROP = 0.75
"""Side of what is decoded at once, as a share of the photo's."""

NOISE = 0.05
"""Deviation of the noise on the latents, for those that are drawn are not perfect either."""


def fit_decoder(
    parts: Parts,
    settings: DreamBoothSettings,
    data: Dataset,
    fraction: float,
    path: Path,
    seed: int,
) -> tuple[Checkpoint, dict[str, list[tuple[int, float]]]]:
    """Train the decoder in place.

    Args:
        parts: The model.
        settings: `decoder_steps` and `decoder_rate`.
        data: Its annotated training frames of the fraction and its defect-free ones are learnt,
            one kind as often as the other.
        fraction: The fraction.
        path: File of the checkpoint.
        seed: Seed of the training.

    Returns:
        The checkpoint, and the curve `loss_decoder`.
    """
    kinds = [
        kind
        for defect_free in (False, True)
        if (kind := data.frames("train", fraction=fraction, defect_free=defect_free))
    ]
    frames: list[Frame] = [frame for kind in kinds for frame in kind]
    photos = [data.image(frame) for frame in frames]
    shares = np.concatenate([np.full(len(kind), 1 / len(kind) / len(kinds)) for kind in kinds])
    objective = Objective(
        parts=parts,
        latents=parts.encode(photos).mean,
        pictures=torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2),
        shares=shares,
        seed=seed,
    )
    recipe = settings.model_copy(
        update={
            "steps": settings.decoder_steps,
            "learning_rate": settings.decoder_rate,
            "schedule": "cosine",
            "warmup": 10,
            "ema": 0.0,
        }
    )
    decoder = parts.vae.decoder.train().requires_grad_(True)
    checkpoint, curves = fit(
        list(decoder.parameters()),
        objective.losses,
        recipe,
        path,
        on=parts.on,
        seed=seed,
        what="decoder",
    )
    decoder.eval().requires_grad_(False)
    return checkpoint, {"loss_decoder": curves["loss"]}


@dataclass(frozen=True)
class Objective:
    """What a training step minimises.

    Attributes:
        parts: The model.
        latents: Of the photos, scaled as the UNet expects, (n, channels, h, w).
        pictures: The photos, 0 .. 255, (n, 3, height, width).
        shares: How often each comes up, (n,).
        seed: Seed of the training.
    """

    parts: Parts
    latents: Tensor
    pictures: Tensor
    shares: np.ndarray
    seed: int

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Absolute errors of a batch of crops: of values, of what is not grey, of differences."""
        rng = generator(self.seed, step)
        which = rng.choice(len(self.latents), DECODER_BATCH, p=self.shares)
        rows, columns = self.latents.shape[2:]
        height, width = max(round(CROP * rows), 1), max(round(CROP * columns), 1)
        y, x = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
        factor = self.parts.factor
        latents = self.latents[which, :, y : y + height, x : x + width]
        wanted = self.pictures[
            which, :, factor * y : factor * (y + height), factor * x : factor * (x + width)
        ]
        latents = latents + NOISE * normal(latents.shape, rng)
        device = self.parts.on.device
        scale = float(self.parts.vae.config.scaling_factor)
        error = self.parts.vae.decode(latents.to(device) / scale).sample.float()
        error = error - (wanted.to(device).float() / 127.5 - 1)
        tint = error - error.mean(1, keepdim=True)
        edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
        return {"loss": error.abs().mean() + 2 * tint.abs().mean() + edges}
