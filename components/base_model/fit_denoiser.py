"""Third stage: the UNet learns to draw the pool's latents by their captions."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from components.base_model.architecture import FACTOR, Model
from components.base_model.fit_autoencoder import pixels
from components.base_model.loop import Curves, train_stage
from components.base_model.plan import Stage
from components.muon import Muon
from components.progress import track

_DROPPED = 0.1
"""Share of empty prompts, for classifier-free guidance."""
_MARKED = 3.0
"""Weight of latents in and beside marks: they are few, and what most words are about."""


@torch.no_grad()
def encode(model: AutoencoderTiny, images: NDArray[np.uint8]) -> Tensor:
    """Unscaled latents (count, 4, H / 4, W / 4), float16."""
    device = next(model.parameters()).device
    found = []
    for start in track(range(0, len(images), 32), "latents", unit="batches"):
        latents = model.encode(pixels(images[start : start + 32]).to(device)).latents
        found.append(latents.half().cpu())
    return torch.cat(found)


def fit_denoiser(
    model: Model,
    latents: Tensor,
    marked: NDArray[np.bool_],
    captions: list[str],
    stage: Stage,
    seed: int,
    work: Path,
    *,
    held_out: Callable[[nn.Module], Mapping[str, float]] | None = None,
    snapshot: bool = False,
) -> Curves:
    """Train the UNet in place; its weights become their moving average.

    The loss is the mean square error of the velocity v (Salimans and Ho 2022) at uniformly drawn
    times, larger where there are marks; a tenth of the captions is left out.

    Args:
        model: All parts; the autoencoder's scaling factor is set already.
        latents: Unscaled latents of the pool.
        marked: Where its pictures have marks, (count, side, side).
        captions: Theirs.
        stage: Steps, batch and learning rate.
        seed: Of batches, times and noise.
        work: Folder for the checkpoint.
        held_out: Measures a UNet on what is not trained on.
        snapshot: Take the averages of the last checkpoint as they are, without training on.

    Returns:
        Curve `denoiser loss`, and those of what `held_out` measured.
    """
    device = next(model.unet.parameters()).device
    model.text_encoder.requires_grad_(False)
    tokens, weights = model.tokens(captions), 1 + (_MARKED - 1) * beside(marked)
    weights /= weights.mean()
    nothing = model.tokens([""])[0]
    # Two cores that take half a batch each need 0.7 of the time of two that share each operation.
    shares = torch.get_num_threads() if device.type == "cpu" else 1
    threads = ThreadPoolExecutor(shares, initializer=torch.set_num_threads, initargs=(1,))

    def learn(share: Noised, weight: Tensor) -> float:
        with torch.autocast(device.type, torch.bfloat16, enabled=stage.bf16):
            errors = squares(model, share)
        loss = (weight.to(device) * errors).sum() / (stage.batch * errors[0].numel())
        loss.backward()
        return loss.item()

    def gradients(step: int) -> dict[str, float]:
        rng = np.random.default_rng([seed, 2, step])
        rows = torch.from_numpy(rng.integers(len(latents), size=stage.batch))
        prompts = tokens[rows].clone()
        prompts[torch.from_numpy(rng.random(stage.batch) < _DROPPED)] = nothing
        batch = noised(model, latents[rows], prompts, int(rng.integers(2**62)))
        losses = threads.map(learn, batch.shares(shares), weights[rows].chunk(shares))
        return {"denoiser loss": sum(losses)}

    optimizer = Muon(model.unet, stage.learning_rate, weight_decay=1e-4)
    return train_stage(
        "denoiser",
        model.unet,
        optimizer,
        gradients,
        stage,
        work,
        decay=0.999,
        held_out=held_out,
        snapshot=snapshot,
    )


class Noised(NamedTuple):
    """Pictures on their way into noise.

    Attributes:
        latents: Noised latents, (B, 4, h, w).
        times: Their times, (B).
        targets: The velocities to predict, (B, 4, h, w).
        prompts: Tokens, (B, LENGTH).
    """

    latents: Tensor
    times: Tensor
    targets: Tensor
    prompts: Tensor

    def shares(self, count: int) -> list["Noised"]:
        """At most `count` parts of about the same size."""
        return [Noised(*part) for part in zip(*(one.chunk(count) for one in self), strict=True)]


def beside(marked: NDArray[np.bool_]) -> Tensor:
    """Latents (count, 1, h, w), 1 in and next to marks (count, side, side), 0 elsewhere."""
    marks = torch.from_numpy(marked)[:, None]
    found = [functional.max_pool2d(one.float(), FACTOR) for one in marks.split(256)]
    return functional.max_pool2d(torch.cat(found), 3, 1, 1)


def noised(model: Model, latents: Tensor, prompts: Tensor, seed: int) -> Noised:
    """Latents (B, 4, h, w), unscaled, with times and noise drawn from `seed`."""
    random = torch.Generator().manual_seed(seed)
    clean = latents.float() * model.vae.config.scaling_factor
    noise = torch.randn(clean.shape, generator=random)
    last = model.scheduler.config.num_train_timesteps
    times = torch.randint(0, last, (len(clean),), generator=random)
    return Noised(
        model.scheduler.add_noise(clean, noise, times),
        times,
        model.scheduler.get_velocity(clean, noise, times),
        prompts,
    )


def squares(model: Model, batch: Noised) -> Tensor:
    """Squared errors of the predicted velocity, (B, 4, h, w)."""
    device = next(model.unet.parameters()).device
    latents, times, targets, prompts = (one.to(device) for one in batch)
    with torch.no_grad():
        text = model.text_encoder(prompts)[0]
    predicted = model.unet(latents, times, encoder_hidden_states=text).sample
    return (predicted.float() - targets).square()
