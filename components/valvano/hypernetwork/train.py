"""Phase 2, learning the condition: a copy that reads the driver steers the frozen model.

Valvano et al. 2024, section 3.2. Their "HyperNetwork" is, in substance, a ControlNet (Zhang et
al. 2023): a trainable copy of the UNet's encoder whose connections start at zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from components.dataset import Dataset, Frame, read_image, write_image
from components.fraction import percent
from components.outcome import Outcome
from components.pictures import grid
from components.valvano import prompts
from components.valvano.device import choose
from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.latents import Views, normal
from components.valvano.noise import NoiseSchedule, batch, generator
from components.valvano.parts import Parts, load, write_network
from components.valvano.preview import draw_preview
from components.valvano.sampler import Request, condition
from components.valvano.training import final, fit

FEW = 20
"""Photos under which the condition is hardly learnt; the paper's smallest set has 120."""

SAMPLES = 8
"""Rows of the preview."""

_EMBEDDING = (16, 32, 96, 256)


def train(
    out: Path,
    settings: HyperNetworkSettings,
    dataset: Path,
    drivers: Path,
    concept: Path,
    fraction: float,
    token: str,
    seed: int,
) -> Outcome:
    """Train the hypernetwork and write it to `controlnet/`.

    Args:
        out: The step's folder; `preview/samples.png` shows driver, sample and photo in rows.
        settings: The training.
        dataset: The dataset artifact.
        drivers: The drivers of the annotated training frames.
        concept: The model of phase 1.
        fraction: Fraction of the real data whose annotated training frames are learnt.
        token: Rare word that names the concept.
        seed: Seed of the training.

    Raises:
        ValueError: If there is nothing to train on.
        FloatingPointError: If the loss is not finite.
    """
    data = Dataset(dataset)
    frames = data.frames("train", fraction=fraction)
    if not frames:
        raise ValueError(
            f"no annotated training frame in the {percent(fraction)} subset; use a larger fraction"
        )
    on = choose(settings.bf16)
    parts = load(concept, on)
    shape = parts.latent_shape(data.resolution)
    photos = [data.image(one) for one in frames]
    texts = [prompts.condition(token, _defects(data, one)) for one in frames]
    distinct = list(dict.fromkeys(texts))
    with torch.no_grad():
        embedded = parts.embed(distinct)

    control = on.trained(new_control(parts, seed)).train()
    if settings.gradient_checkpointing:
        control.enable_gradient_checkpointing()
        parts.unet.train().enable_gradient_checkpointing()
    objective = Objective(
        settings=settings,
        parts=parts,
        control=control,
        schedule=NoiseSchedule.read(parts.scheduler.config),
        photos=parts.encode(photos, flips=settings.flips),
        drivers=np.stack([read_image(drivers / "drivers" / one.file) for one in frames]),
        weights=_weights([data.class_map(one) > 0 for one in frames], shape[1], settings),
        texts=embedded[[distinct.index(text) for text in texts]],
        seed=seed,
    )
    checkpoint, curves = fit(
        list(control.parameters()),
        objective.losses,
        settings,
        out / "checkpoint.safetensors",
        on=on,
        seed=seed,
        what="training",
    )
    write_network(control, out / "controlnet")
    shown = sorted({round(at) for at in np.linspace(0, len(frames) - 1, SAMPLES)})
    samples = draw_preview(
        parts,
        [Request(texts[at], (seed << 32) + at, objective.drivers[at]) for at in shown],
        data.resolution,
        on.frozen(control),
    )
    rows = [
        picture
        for at, sample in zip(shown, samples, strict=True)
        for picture in (objective.drivers[at], sample, photos[at])
    ]
    (out / "preview").mkdir(exist_ok=True)
    write_image(out / "preview" / "samples.png", grid(rows, 6 if len(shown) > 1 else 3))
    checkpoint.discard()
    return Outcome(
        metrics={
            **{f"final_{name}": final(points) for name, points in curves.items()},
            "photos": len(frames),
            "trained_parameters": sum(one.numel() for one in control.parameters()),
        },
        curves=curves,
        warnings=_warnings(parts, data, frames, distinct, fraction),
    )


def new_control(parts: Parts, seed: int) -> ControlNetModel:
    """A copy of the UNet's encoder with zero-initialised connections.

    Its driver's embedding halves the picture once for every entry but the first, just as the
    autoencoder does, so that both meet at the size of the latents.
    """
    levels = len(parts.vae.config.block_out_channels)
    widths = (*_EMBEDDING, *[_EMBEDDING[-1]] * levels)[:levels]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ControlNetModel.from_unet(parts.unet, conditioning_embedding_out_channels=widths)


@dataclass(frozen=True)
class Objective:
    """What a training step minimises.

    Attributes:
        settings: The training.
        parts: The frozen model of phase 1.
        control: The hypernetwork.
        schedule: The forward process.
        photos: Latents of the photos.
        drivers: (n, resolution, resolution, 3), 0 .. 255.
        weights: Loss weights of the latents' cells, (n, height, width).
        texts: Embedded prompt of every photo, (n, length, width).
        seed: Seed of the training.
    """

    settings: HyperNetworkSettings
    parts: Parts
    control: ControlNetModel
    schedule: NoiseSchedule
    photos: Views
    drivers: NDArray[np.uint8]
    weights: Tensor
    texts: Tensor
    seed: int

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Denoising loss of a batch, and its unweighted parts inside and outside the defects."""
        rng = generator(self.seed, step)
        which = batch(self.seed, step, self.settings.batch, len(self.photos))
        clean, turned = self.photos.draw(which, rng)
        times = torch.from_numpy(rng.integers(0, self.schedule.length, len(which)))
        noise = normal(clean.shape, rng)
        pictures = self.drivers[which]
        pictures[turned] = pictures[turned, :, ::-1]
        weights = self.weights[which]
        weights[turned] = weights[turned].flip(-1)

        device, frozen = self.parts.on.device, self.parts.on.dtype
        clean, noise, times = clean.to(device), noise.to(device), times.to(device)
        weights, texts = weights.to(device), self.texts[which]
        noised = self.schedule.noised(clean, noise, times).to(frozen)
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
        inside = weights > 1
        return (
            {"loss": loss, "loss_defect": errors[inside].mean()} if inside.any() else {"loss": loss}
        )


def _defects(data: Dataset, frame: Frame) -> str:
    """Names of the classes seen in a frame, in the order of the labels."""
    labels = sorted({one.label for one in data.instances(frame)})
    return " and ".join(data.classes[label] for label in labels)


def _weights(
    masks: Sequence[NDArray[np.bool_]], side: int, settings: HyperNetworkSettings
) -> Tensor:
    """Loss weights (n, side, side): `mask_weight` in cells that a defect touches, and around."""
    stacked = torch.from_numpy(np.stack(masks))[:, None].float()
    cells = F.adaptive_max_pool2d(stacked, side)
    wide = F.max_pool2d(cells, 3, stride=1, padding=1)[:, 0]
    return 1 + (settings.mask_weight - 1) * wide


def _warnings(
    parts: Parts, data: Dataset, frames: Sequence[Frame], texts: Sequence[str], fraction: float
) -> list[str]:
    found = []
    if len(frames) < FEW:
        found.append(
            f"the condition of the {percent(fraction)} subset was learnt from {len(frames)} frame"
            f"{'s' if len(frames) > 1 else ''} only; defects may not follow their masks"
        )
    seen = {one.label for frame in frames for one in data.instances(frame)}
    missing = [name for label, name in enumerate(data.classes) if label not in seen]
    if missing:
        found.append(
            f"the {percent(fraction)} subset shows no {', '.join(missing)}; the hypernetwork "
            "cannot draw what it never saw"
        )
    tokens = parts.tokens(texts).tolist()
    if len({tuple(one) for one in tokens}) < len(texts):
        found.append(
            "the base model reads some classes' prompts as the same tokens; there only the "
            "driver's colour tells the classes apart"
        )
    return found
