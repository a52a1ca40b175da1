"""First stage: the autoencoder learns to keep textures and their finest lines."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from components.base_model.loop import Curves, train_stage
from components.base_model.plan import Stage

_CROPS = (32, 48, 48, 64)
"""Sides of the training crops, pixels; one is drawn a step."""
_NOISE = 0.05
"""Deviation of the noise on the latents that the decoder sees."""
_MARKED = 5.0
"""Weight of pixels in and beside marks: they are few, and what everything is about."""
_TINTED = 0.4
"""Share of crops that are dyed: most surfaces are grey, and colour must not be forgotten."""


def pixels(images: NDArray[np.uint8]) -> Tensor:
    """(B, H, W, 3) in 0 .. 255 to (B, 3, H, W) in -1 .. 1."""
    return torch.from_numpy(images.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2).contiguous()


def fit_autoencoder(
    model: AutoencoderTiny,
    images: NDArray[np.uint8],
    marked: NDArray[np.bool_],
    stage: Stage,
    seed: int,
    work: Path,
) -> Curves:
    """Train in place; the weights become their moving average.

    The loss is the L1 distance of pixels, of their colour, of their gradients and of half-size
    pictures, larger where there are marks, and a pull of the latents to mean 0 and deviation 1
    without correlation. The decoder sees latents with some noise, so that the denoiser's small
    errors do no harm.

    Args:
        model: The autoencoder.
        images: The pool, (count, side, side, 3).
        marked: Where its pictures have marks, (count, side, side).
        stage: Steps, batch and learning rate.
        seed: Of crops and noise.
        work: Folder for the checkpoint.

    Returns:
        Curves `autoencoder loss` and `latent deviation`.
    """
    device = next(model.parameters()).device

    def gradients(step: int) -> dict[str, float]:
        rng = np.random.default_rng([seed, 1, step])
        cut, marks = _crops(rng, images, marked, stage.batch)
        batch, weight = cut.to(device), _weights(marks).to(device)
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        latents = model.encode(batch).latents
        noisy = latents + _NOISE * torch.randn(latents.shape, generator=noise).to(device)
        loss = _distance(model.decode(noisy).sample, batch, weight) + 0.1 * _unrest(latents)
        loss.backward()
        return {"autoencoder loss": loss.item(), "latent deviation": latents.std().item()}

    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.learning_rate, weight_decay=1e-4)
    return train_stage("autoencoder", model, optimizer, gradients, stage, work, decay=0.995)


def _crops(
    rng: np.random.Generator, images: NDArray[np.uint8], marked: NDArray[np.bool_], batch: int
) -> tuple[Tensor, Tensor]:
    """Crops (batch, 3, side, side) and where they have marks, (batch, 1, side, side)."""
    side = min(int(rng.choice(_CROPS)), images.shape[1])
    cut = np.empty((batch, side, side, 3), np.uint8)
    marks = np.empty((batch, side, side), bool)
    for row, number in enumerate(rng.integers(len(images), size=batch)):
        y, x = rng.integers(0, images.shape[1] - side + 1, 2)
        turns = int(rng.integers(4))
        crop = np.rot90(images[number, y : y + side, x : x + side], turns)
        marks[row] = np.rot90(marked[number, y : y + side, x : x + side], turns)
        dye = rng.uniform(0.3, 1.0, 3) if rng.random() < _TINTED else np.ones(3)
        cut[row] = crop * dye
    return pixels(cut), torch.from_numpy(marks)[:, None]


def _weights(marks: Tensor) -> Tensor:
    """Weight of every pixel, on average 1."""
    beside = functional.max_pool2d(marks.float(), 3, 1, 1)
    weights = 1 + (_MARKED - 1) * beside
    return weights / weights.mean()


def _distance(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    error = one - other
    loss = (weight * error.abs()).mean()
    loss = loss + 2 * (weight * _colour(error).abs()).mean()
    loss = loss + 0.5 * (weight[..., 1:, :] * error.diff(dim=2).abs()).mean()
    loss = loss + 0.5 * (weight[..., 1:] * error.diff(dim=3).abs()).mean()
    return loss + 0.5 * functional.avg_pool2d(error, 2).abs().mean()


def _colour(picture: Tensor) -> Tensor:
    """What is left of a picture without its grey."""
    return picture - picture.mean(1, keepdim=True)


def _unrest(latents: Tensor) -> Tensor:
    """How far the channels are from mean 0, deviation 1 and no correlation with one another.

    Without the correlations two channels soon carry the same and colour has no room.
    """
    channels = latents.transpose(0, 1).flatten(1)
    mean, deviation = channels.mean(1, keepdim=True), channels.std(1, keepdim=True)
    scaled = (channels - mean) / (deviation + 1e-3)
    correlation = scaled @ scaled.T / channels.shape[1]
    others = correlation - torch.diag(torch.diag(correlation))
    return mean.square().mean() + (deviation - 1).square().mean() + others.square().mean()


@torch.no_grad()
def psnr(model: AutoencoderTiny, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio in decibels of every picture after encoding and decoding."""
    device = next(model.parameters()).device
    found = []
    for start in range(0, len(images), 32):
        batch = pixels(images[start : start + 32]).to(device)
        decoded = model.decode(model.encode(batch).latents).sample.clamp(-1, 1)
        error = ((decoded - batch) / 2).square().mean((1, 2, 3)).clamp_min(1e-10)
        found.append((-10 * error.log10()).cpu().numpy())
    return np.concatenate(found).astype(np.float64)
