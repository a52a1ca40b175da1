"""Phase 2, learning the condition: a copy that reads the driver steers the frozen model.

Valvano et al. 2024, section 3.2. Their "HyperNetwork" is, in substance, a ControlNet (Zhang et
al. 2023): a trainable copy of the UNet's encoder whose connections start at zero.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from components.base_model.settings import EMBEDDED
from components.dataset import Dataset, Frame, read_image, write_image
from components.device import choose
from components.fraction import percent
from components.outcome import Outcome
from components.pictures import grid
from components.valvano import prompts
from components.valvano.hypernetwork.objective import Objective, loss_weights
from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.hypernetwork.start import load_start, new_control
from components.valvano.noise import NoiseSchedule
from components.valvano.parts import Parts, load, write_network
from components.valvano.preview import draw_preview
from components.valvano.sampler import Request
from components.valvano.training import final, fit

FEW = 20
"""Photos under which the condition is hardly learnt; the paper's smallest set has 120."""

SAMPLES = 8
"""Rows of the preview."""


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
    """Train the hypernetwork and write it to `controlnet/`, a trained decoder to `unet/`.

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
    parts = load(concept, on, {"unet"})
    shape = parts.latent_shape(data.resolution)
    photos = [data.image(one) for one in frames]
    texts = [prompts.condition(token, _defects(data, one)) for one in frames]
    distinct = list(dict.fromkeys(texts))
    with torch.no_grad():
        embedded = parts.embed(distinct)

    control = new_control(parts, seed)
    if settings.start == EMBEDDED:
        load_start(control)
    control = on.trained(control).train()
    trained = list(control.parameters())
    if settings.unlock:
        trained += _unlocked(parts)
    else:
        parts = replace(parts, unet=on.frozen(parts.unet))
    if settings.gradient_checkpointing:
        control.enable_gradient_checkpointing()
        parts.unet.train().enable_gradient_checkpointing()
    objective = Objective(
        settings=settings,
        parts=parts,
        control=control,
        schedule=NoiseSchedule.read(parts.scheduler.config),
        photos=parts.views(
            photos,
            settings.steps * settings.batch,
            flips=settings.flips,
            turns=settings.turns,
            seed=seed,
        ),
        drivers=np.stack([read_image(drivers / "drivers" / one.file) for one in frames]),
        weights=loss_weights([data.class_map(one) > 0 for one in frames], shape[1], settings),
        texts=embedded[[distinct.index(text) for text in texts]],
        seed=seed,
    )
    checkpoint, curves = fit(
        trained,
        objective.losses,
        settings,
        out / "checkpoint.safetensors",
        on=on,
        seed=seed,
        what="training",
    )
    write_network(control, out / "controlnet")
    if settings.unlock:
        write_network(parts.unet, out / "unet")
        parts = replace(parts, unet=on.frozen(parts.unet))
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
            "trained_parameters": sum(one.numel() for one in trained),
        },
        curves=curves,
        warnings=_warnings(parts, data, frames, distinct, fraction),
    )


def _unlocked(parts: Parts) -> list[nn.Parameter]:
    """The parameters of the UNet's decoder, ready for training."""
    unet = parts.unet
    decoder = nn.ModuleList([unet.up_blocks, unet.conv_norm_out, unet.conv_out])
    return list(decoder.requires_grad_(True).parameters())


def _defects(data: Dataset, frame: Frame) -> str:
    """Names of the classes seen in a frame, in the order of the labels."""
    labels = sorted({one.label for one in data.instances(frame)})
    return " and ".join(data.classes[label] for label in labels)


def _warnings(
    parts: Parts, data: Dataset, frames: Sequence[Frame], texts: Sequence[str], fraction: float
) -> list[str]:
    found = []
    if len(frames) < FEW:
        found.append(
            f"The condition of the {percent(fraction)} subset was learnt from {len(frames)} frame"
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
