"""Training and synthesis on a GPU: `python tests/benchmarks/diffusion_gpu.py [--tiny]`.

Stable Diffusion 1.5's architecture with random weights, 512 px, bfloat16. Prints steps or images a
second and the ratio, above 1 where ours is faster:

    training   the loop of both phases' code against the plain loop of the usual example scripts
               (pictures encoded and prompts embedded in every step, default AdamW)
    synthesis  the sampler against diffusers' StableDiffusionControlNetPipeline

`--tiny` runs the same code with toy networks on whatever is there, to show that it runs.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    DDPMScheduler,
    StableDiffusionControlNetPipeline,
    UNet2DConditionModel,
)
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel

from components.device import Device, choose
from components.valvano.dreambooth.settings import DreamBoothSettings
from components.valvano.dreambooth.train import Objective
from components.valvano.latents import Latents, Views
from components.valvano.noise import NoiseSchedule
from components.valvano.parts import Parts
from components.valvano.sampler import Request, Sampler, ddim
from components.valvano.training import fit

sys.path.insert(0, str(Path(__file__).parents[1] / "valvano_diffusion"))
from tiny import tokenizer

CONFIG = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
PROMPT = "an image of a sks"


@dataclass(frozen=True)
class Size:
    """What is measured."""

    side: int
    channels: tuple[int, ...]
    autoencoder: tuple[int, ...]
    groups: int
    width: int
    layers: int
    batch: int
    steps: int
    images: int
    denoising: int


FULL = Size(512, (320, 640, 1280, 1280), (128, 256, 512, 512), 32, 768, 12, 4, 30, 16, 30)
TINY = Size(32, (16, 32), (8, 8, 8, 8), 4, 16, 1, 2, 4, 8, 3)


class EnoughError(Exception):
    """Ends a training before it writes its checkpoint."""


def networks(size: Size, on: Device, folder: Path) -> Parts:
    """Random networks."""
    words = tokenizer(folder)
    levels = len(size.channels)
    cross = levels - 1
    with on.device:
        unet = UNet2DConditionModel(
            sample_size=size.side // 8,
            block_out_channels=size.channels,
            down_block_types=("CrossAttnDownBlock2D",) * cross + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * cross,
            cross_attention_dim=size.width,
            norm_num_groups=size.groups,
        )
        vae = AutoencoderKL(
            block_out_channels=size.autoencoder,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            norm_num_groups=size.groups,
            scaling_factor=0.18215,
        )
        text = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=size.width,
                intermediate_size=4 * size.width,
                num_hidden_layers=size.layers,
                num_attention_heads=max(size.width // 64, 1),
                max_position_embeddings=77,
                eos_token_id=words.eos_token_id,
            )
        )
    return Parts(folder, words, on.frozen(text), on.frozen(vae), on.frozen(unet), on)


def wait(on: Device) -> float:
    """The time, once all work is done."""
    if on.accelerated:
        torch.cuda.synchronize()
    return time.perf_counter()


def train_ours(parts: Parts, size: Size, scratch: Path) -> float:
    """Steps a second of phase 1's own code."""
    on = parts.on
    rng = np.random.default_rng(0)
    shape = (32, *parts.latent_shape(size.side))
    mean = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    views = Views(Latents(mean, torch.full_like(mean, 0.1)), np.zeros((len(mean), 1), np.int64))
    warm = 3
    settings = DreamBoothSettings(steps=size.steps + warm + 1, batch=size.batch, bf16=True)
    objective = Objective(
        settings=settings,
        parts=parts,
        schedule=NoiseSchedule.read(CONFIG),
        photos=views,
        classes=None,
        texts=(PROMPT, "a surface"),
        cached=parts.embed([PROMPT, "a surface"]).detach().float(),
        seed=0,
    )
    started = 0.0

    def losses(step: int) -> Mapping[str, Tensor]:
        nonlocal started
        if step == warm:
            started = wait(on)
        if step == size.steps + warm:
            raise EnoughError
        return objective.losses(step)

    unet = on.trained(parts.unet).train().requires_grad_(True)
    with contextlib.suppress(EnoughError), contextlib.redirect_stdout(io.StringIO()):
        fit(list(unet.parameters()), losses, settings, scratch / "none", on=on, seed=0, what="ours")
    return size.steps / (wait(on) - started)


def train_plain(parts: Parts, size: Size) -> float:
    """Steps a second of the loop that the example scripts have."""
    on = parts.on
    unet = on.trained(parts.unet).train().requires_grad_(True)
    unet.to(memory_format=torch.contiguous_format)
    parts.vae.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=5e-6, weight_decay=1e-2)
    scheduler = DDPMScheduler(**CONFIG)
    pictures = torch.rand(32, 3, size.side, size.side) * 2 - 1
    started, warm = 0.0, 3
    for step in range(size.steps + warm):
        if step == warm:
            started = wait(on)
        batch = pictures[torch.randint(0, 32, (size.batch,))].to(on.device, on.dtype)
        with torch.no_grad():
            latents = parts.vae.encode(batch).latent_dist.sample()
            latents = latents * parts.vae.config.scaling_factor
            text = parts.text_encoder(parts.tokens([PROMPT] * size.batch))[0]
        noise = torch.randn_like(latents)
        times = torch.randint(0, 1000, (size.batch,), device=on.device)
        with on.autocast():
            said = unet(scheduler.add_noise(latents, noise, times), times, text).sample
        loss = F.mse_loss(said.float(), noise.float())
        loss.backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
    return size.steps / (wait(on) - started)


def per_second(images: int, on: Device, draw: Callable[[], object]) -> float:
    """Images a second of the second call."""
    draw()
    started = wait(on)
    draw()
    return images / (wait(on) - started)


def draw_both(parts: Parts, size: Size) -> tuple[float, float]:
    """Images a second of our sampler and of the stock pipeline."""
    on = parts.on
    on.frozen(parts.unet)
    with on.device:
        control = ControlNetModel.from_unet(parts.unet)
    on.frozen(control)
    rng = np.random.default_rng(0)
    drivers = rng.integers(0, 256, (size.images, size.side, size.side, 3), dtype=np.uint8)
    sampler = Sampler(
        parts, ddim(CONFIG), resolution=size.side, steps=size.denoising, guidance=5.0, batch=8,
        control=control,
    )  # fmt: skip
    wanted = [Request(PROMPT, number, drivers[number]) for number in range(size.images)]

    def ours() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            sampler.draw_all(
                range(size.images), wanted.__getitem__, lambda number, image: None, "images"
            )

    ours_rate = per_second(size.images, on, ours)
    for network in (parts.unet, parts.vae, control):
        network.to(memory_format=torch.contiguous_format)
    pipeline = StableDiffusionControlNetPipeline(
        vae=parts.vae, text_encoder=parts.text_encoder, tokenizer=parts.tokenizer,
        unet=parts.unet, controlnet=control, scheduler=DDIMScheduler(**CONFIG, steps_offset=1),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    hints = torch.from_numpy(drivers).permute(0, 3, 1, 2).float() / 255

    def stock() -> None:
        for at in range(0, size.images, 8):
            pipeline(
                [PROMPT] * 8, image=hints[at : at + 8], num_inference_steps=size.denoising,
                guidance_scale=5.0, height=size.side, width=size.side, output_type="np",
            )  # fmt: skip

    return ours_rate, per_second(size.images, on, stock)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="toy networks, with or without a GPU")
    tiny = parser.parse_args().tiny
    if not tiny and not torch.cuda.is_available():
        print("no GPU here: nothing measured (--tiny runs the same code with toy networks)")
        return
    size, on = TINY if tiny else FULL, choose(bf16=True)
    with tempfile.TemporaryDirectory() as folder:
        parts = networks(size, on, Path(folder))
        ours, plain = train_ours(parts, size, Path(folder)), train_plain(parts, size)
        drawn, stock = draw_both(parts, size)
    name = torch.cuda.get_device_name() if on.accelerated else "CPU, toy networks"
    print(f"{name}, {size.side} px, {on.dtype}")
    print(f"training   {ours:8.2f} steps/s, plain loop {plain:8.2f}, ratio {ours / plain:.2f}")
    print(f"synthesis  {drawn:8.2f} images/s, stock     {stock:8.2f}, ratio {drawn / stock:.2f}")


if __name__ == "__main__":
    main()
