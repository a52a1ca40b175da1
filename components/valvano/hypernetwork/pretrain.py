"""Train the embedded start: `python -m components.valvano.hypernetwork.pretrain --out FOLDER`.

The copy of the embedded base model's encoder learns to draw the marks of procedural textures where
a driver shows them, each painted in a colour of its own, so that colours mean nothing yet.
Interrupted, it continues where it was when started again with the same arguments. The folder holds
the weights in half precision, `training.json` (procedure, curves, quality, time, machine) and
`samples.png` (driver, sample and texture in turn, all held out).
"""

import argparse
import colorsys
import json
import os
import platform
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from components.base_model.resolve import embedded
from components.contrast import differences, looks
from components.dataset import Image, write_image
from components.device import Device, choose
from components.instances import Instance, class_map
from components.pictures import grid
from components.progress import say
from components.textures.draw import Mark
from components.textures.pool import Pool, fill
from components.valvano.driver_extraction.driver import driver
from components.valvano.driver_extraction.recipe import Colour, Recipe, make_recipe
from components.valvano.driver_extraction.settings import DriverSettings
from components.valvano.hypernetwork.objective import Objective, loss_weights
from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.hypernetwork.start import FILE, load_start, new_control
from components.valvano.noise import NoiseSchedule
from components.valvano.parts import Parts, load
from components.valvano.preview import draw_preview
from components.valvano.sampler import Request
from components.valvano.training import final, fit

SIDE = 96
"""Pixels; what the embedded base model was made for."""

_UNSEEN = ("uneven",)
"""Marks that are not painted: a broad region of other brightness has no edge to follow."""
_SHOWN = 24


@dataclass(frozen=True)
class Lessons:
    """Pictures to learn from.

    Attributes:
        pictures: (n, side, side, 3), RGB 0 .. 255.
        drivers: Their drivers, same shape.
        masks: Where marks are painted, (n, side, side).
        captions: Theirs.
    """

    pictures: NDArray[np.uint8]
    drivers: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    captions: list[str]

    @classmethod
    def of(cls, pool: Pool, seed: int) -> "Lessons":
        """The pictures of a pool with drivers, every mark in a random hue."""
        recipe = make_recipe(DriverSettings(), (), SIDE)
        drivers, masks = np.empty_like(pool.images), np.empty(pool.images.shape[:3], bool)
        for number, (picture, marks) in enumerate(zip(pool.images, pool.marks, strict=True)):
            rng = np.random.default_rng([seed, 5, number])
            drivers[number], masks[number] = _lesson(picture, marks, recipe, rng)
        return cls(pool.images, drivers, masks, pool.captions)

    @property
    def marked(self) -> list[int]:
        """Numbers of the pictures that show a painted mark."""
        return [int(number) for number in np.flatnonzero(self.masks.any((1, 2)))]


def _lesson(
    picture: Image, marks: tuple[Mark, ...], recipe: Recipe, rng: np.random.Generator
) -> tuple[Image, NDArray[np.bool_]]:
    seen = [one for one in marks if one.name not in _UNSEEN]
    hues = (rng.random() + np.arange(len(seen)) / max(len(seen), 1)) % 1
    painted = Recipe(
        **{**vars(recipe), "colours": {str(at): _colour(hue) for at, hue in enumerate(hues)}}
    )
    labels = class_map([Instance(one.mask, at) for at, one in enumerate(seen)], SIDE, SIDE)
    return driver(picture, labels, painted), labels > 0


def _colour(hue: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue, 1.0, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def pretrain(
    out: Path,
    base: Path,
    settings: HyperNetworkSettings,
    count: int,
    seed: int,
    workers: int,
    held_out: int = 256,
    *,
    further: bool = False,
) -> None:
    """Train into `out`, which appears when it is complete.

    Args:
        out: Folder of the result.
        base: The embedded base model, frozen.
        settings: The training.
        count: Number of textures.
        seed: Of textures, hues, weights and batches; the next seed's first textures are held out.
        workers: Processes that draw textures.
        held_out: Number of these textures.
        further: Go on from the embedded start instead of from a copy of the base model's encoder.

    Raises:
        ValueError: If `out` is there already.
    """
    if out.exists():
        raise ValueError(f"{out} is there already; remove it, or name another folder")
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    kept = work / "pool.npz"
    if not kept.is_file():
        fill(seed, count, SIDE, workers).save(kept)
    lessons = Lessons.of(Pool.load(kept), seed)
    on = choose(settings.bf16)
    parts = load(base, on, {"unet"})
    control = on.trained(new_control(parts, seed)).train()
    before = load_start(control) if further else None
    parts = replace(parts, unet=on.frozen(parts.unet))
    objective = Objective(
        settings=settings,
        parts=parts,
        control=control,
        schedule=NoiseSchedule.read(parts.scheduler.config),
        photos=parts.views(
            list(lessons.pictures),
            settings.steps * settings.batch,
            flips=settings.flips,
            turns=settings.turns,
            seed=seed,
        ),
        drivers=lessons.drivers,
        weights=loss_weights(list(lessons.masks), parts.latent_shape(SIDE)[1], settings),
        texts=_embedded(parts, lessons.captions),
        seed=seed,
    )
    started = time.monotonic()
    _, curves = fit(
        list(control.parameters()),
        objective.losses,
        settings,
        work / "checkpoint.safetensors",
        on=on,
        seed=seed,
        what="pretraining",
    )
    seconds = time.monotonic() - started
    held = Lessons.of(fill(seed + 1, held_out, SIDE, workers), seed + 1)
    rows, measured = _examined(parts, on, control, held)
    aside = out.with_name(out.name + ".part")
    aside.mkdir(parents=True, exist_ok=True)
    write_image(aside / "samples.png", grid(rows, 9))
    halved = {name: one.half().contiguous() for name, one in control.state_dict().items()}
    save_file(halved, aside / FILE)
    about = {
        "before": before,
        "procedure": {**settings.model_dump(), "textures": count, "seed": seed, "side": SIDE},
        "quality": measured | {f"final {name}": final(curve) for name, curve in curves.items()},
        "parameters": sum(one.numel() for one in control.parameters()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {on.device.type}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
        "seconds of the last start": seconds,
        "curves": curves,
    }
    (aside / "training.json").write_text(json.dumps(about, indent=1) + "\n")
    aside.rename(out)
    say(", ".join(f"{name} {value:.3g}" for name, value in measured.items()))


@torch.no_grad()
def _embedded(parts: Parts, captions: list[str]) -> torch.Tensor:
    """Embedded captions, (n, length, width)."""
    return torch.cat([parts.embed(captions[at : at + 64]) for at in range(0, len(captions), 64)])


def _examined(
    parts: Parts, on: Device, control: Any, held: Lessons
) -> tuple[list[Image], dict[str, float]]:
    """Driver, sample and texture of some held-out pictures, and how their marks stand out."""
    chosen = held.marked
    network = on.frozen(control)
    samples = draw_preview(
        parts,
        [Request(held.captions[at], at, held.drivers[at]) for at in chosen],
        SIDE,
        network,
    )
    bare = np.where(held.masks[..., None], np.uint8(0), held.drivers)
    without = draw_preview(
        parts, [Request(held.captions[at], at, bare[at]) for at in chosen], SIDE, network
    )
    found = np.array(
        [
            differences([Instance(held.masks[at], 0)], looks([sample, other, held.pictures[at]]))
            for at, sample, other in zip(chosen, samples, without, strict=True)
        ]
    )
    found = np.abs(found[..., 0])  # their grey levels
    drawn, undrawn, real = np.nanmedian(found, axis=0)
    rows = [
        picture
        for at, sample in list(zip(chosen, samples, strict=True))[:_SHOWN]
        for picture in (held.drivers[at], sample, held.pictures[at])
    ]
    return rows, {
        "held-out textures with a painted mark": len(chosen),
        "median contrast of the painted marks, grey levels, drawn": float(drawn),
        "the same without the paint, same noise": float(undrawn),
        "the same in the textures themselves": float(real),
        "share of the marks with more contrast than without the paint": float(
            np.mean(found[:, 0] > found[:, 1])
        ),
    }


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m components.valvano.hypernetwork.pretrain")
    parser.add_argument("--out", type=Path, required=True, help="folder of the result")
    parser.add_argument("--steps", type=int, default=5000, help="optimiser steps")
    parser.add_argument("--batch", type=int, default=12, help="pictures a step")
    parser.add_argument("--rate", type=float, default=1e-3, help="largest learning rate")
    parser.add_argument("--textures", type=int, default=8000, help="number of textures")
    parser.add_argument(
        "--further", action="store_true", help="go on from the embedded start, not from a copy"
    )
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2, help="processes that draw textures")
    chosen = parser.parse_args()
    settings = HyperNetworkSettings(
        steps=chosen.steps,
        batch=chosen.batch,
        learning_rate=chosen.rate,
        schedule="cosine",
        warmup=100,
        mask_weight=5.0,
        ema=0.999,
    )
    with embedded() as base:
        pretrain(
            chosen.out, base, settings, chosen.textures, chosen.seed, chosen.workers,
            further=chosen.further,
        )  # fmt: skip


if __name__ == "__main__":
    main()
