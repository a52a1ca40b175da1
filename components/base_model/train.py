"""Train the embedded base model: `python -m components.base_model.train --out F`.

Three stages on a pool of procedural textures: the autoencoder, the text encoder, the UNet. With
`--start` it goes on from another such model instead of from nothing. Interrupted, it continues
where it was when started again with the same arguments. The folder is a diffusers model, with
`training.json` (procedure, curves, quality, time, machine) and `samples.png` beside its parts.
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.base_model.architecture import Model
from components.base_model.caption_gain import CaptionGain, caption_gain
from components.base_model.fit_autoencoder import fit_autoencoder, psnr
from components.base_model.fit_denoiser import encode, fit_denoiser
from components.base_model.fit_text import fit_text
from components.base_model.plan import Plan
from components.base_model.samples import samples
from components.progress import say
from components.textures.pool import Pool, fill

_HELD_OUT = 256
"""Textures that nothing is trained on, the first ones of the next seed."""


def train(
    out: Path,
    plan: Plan,
    device: torch.device,
    workers: int,
    *,
    start: Path | None = None,
    snapshot: bool = False,
) -> None:
    """Train a model into `out`, which appears when it is complete.

    Args:
        out: The diffusers folder; replaced if it is there.
        plan: What to do.
        device: Where to compute.
        workers: Processes that draw textures.
        start: A model that `train` wrote, to go on from.
        snapshot: Write what the last stage's last checkpoint holds, instead of training on.
    """
    work = out.with_name(out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    held = fill(plan.seed + 1, min(_HELD_OUT, plan.pool), plan.side, workers)
    pool = _pool(work, plan, workers)
    clock = _Clock(work / "seconds.json")

    model = Model.new(plan.side, plan.seed)
    if start is not None:
        model.take(start)
    for part in (model.vae, model.unet, model.text_encoder):
        part.to(device)
    with clock.stage("autoencoder"):
        curves = fit_autoencoder(
            model.vae, pool.images, pool.marked, plan.autoencoder, plan.seed, work
        )
    model.vae.eval()
    quality = psnr(model.vae, held.images)
    say(f"autoencoder: {quality.mean():.1f} dB on {len(quality)} held-out textures")
    latents = _latents(work, model, pool)
    scale = 1 / float(latents.float().std())
    model.vae.register_to_config(scaling_factor=scale)
    with clock.stage("text"):
        curves |= fit_text(
            model.text_encoder,
            latents,
            model.tokens(pool.captions),
            scale,
            plan.text,
            plan.seed,
            work,
        )
    model.text_encoder.eval()
    unseen = encode(model.vae, held.images)

    def measure(unet: torch.nn.Module) -> CaptionGain:
        one = dataclasses.replace(model, unet=unet)
        return caption_gain(one, unseen, held.marked, held.captions, plan.seed)

    with clock.stage("denoiser"):
        curves |= fit_denoiser(
            model,
            latents,
            pool.marked,
            pool.captions,
            plan.denoiser,
            plan.seed,
            work,
            held_out=lambda unet: measure(unet).named(),
            snapshot=snapshot,
        )
    model.unet.eval()
    gain = measure(model.unet)

    aside = out.with_name(out.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    about: dict[str, Any] = {
        "plan": plan.model_dump(),
        "before": json.loads((start / "training.json").read_text()) if start else None,
        "quality": {
            "autoencoder PSNR on held-out textures, dB, mean": float(quality.mean()),
            "autoencoder PSNR on held-out textures, dB, tenth percentile": float(
                np.percentile(quality, 10)
            ),
            "held-out textures": len(quality),
            **gain.named(),
        },
        "latent scale": scale,
        "parameters": {
            name: sum(one.numel() for one in part.parameters())
            for name, part in (
                ("vae", model.vae), ("unet", model.unet), ("text_encoder", model.text_encoder)
            )
        },
        "seconds": clock.seconds,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {device.type}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}",
        "finished": not snapshot,
        "curves": curves,
    }  # fmt: skip
    samples(model, plan.side, plan.seed, aside / "samples.png")
    (aside / "training.json").write_text(json.dumps(about, indent=1))
    model.save(aside)
    shutil.rmtree(out, ignore_errors=True)
    aside.rename(out)
    say(f"wrote {out.name}; its checkpoints are in {work.name} and may be removed")


def _pool(work: Path, plan: Plan, workers: int) -> Pool:
    """The training textures, kept on disk so that a second try need not draw them again."""
    kept = work / "pool.npz"
    if not kept.is_file():
        drawn = fill(plan.seed, plan.pool, plan.side, workers)
        drawn.save(kept)
    return Pool.load(kept)


def _latents(work: Path, model: Model, pool: Pool) -> torch.Tensor:
    path = work / "latents.npy"
    if not path.is_file():
        aside = work / "latents.part.npy"
        np.save(aside, encode(model.vae, pool.images).numpy())
        aside.rename(path)
    return torch.from_numpy(np.load(path))


def _write(path: Path, content: object) -> None:
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps(content))
    aside.rename(path)


class _Clock:
    """Wall time a stage has taken over all tries, as far as their checkpoints tell."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}

    def stage(self, name: str) -> "_Stage":
        return _Stage(self, name)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        _write(self._path, self.seconds)


class _Stage:
    def __init__(self, clock: _Clock, name: str) -> None:
        self._clock, self._name = clock, name

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self._clock.add(self._name, time.monotonic() - self._started)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m components.base_model.train")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--start", type=Path, help="folder of a model to go on from")
    parser.add_argument("--plan", default="{}", help="JSON that overrides parts of the plan")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=2, help="processes that draw textures")
    parser.add_argument(
        "--snapshot", action="store_true", help="write the last checkpoint, do not train on"
    )
    chosen = parser.parse_args()
    plan = Plan.model_validate_json(chosen.plan)
    train(
        chosen.out,
        plan,
        torch.device(chosen.device),
        chosen.workers,
        start=chosen.start,
        snapshot=chosen.snapshot,
    )


if __name__ == "__main__":
    main()
