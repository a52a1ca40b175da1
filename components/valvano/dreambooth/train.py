"""Phase 1, learning the concept: DreamBooth with class-specific prior preservation.

Valvano et al. 2024, section 3.1; Ruiz et al. 2023, equation 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from components.dataset import Dataset, Image, read_image, write_image
from components.device import choose
from components.fraction import percent
from components.outcome import Outcome
from components.pictures import grid
from components.valvano import prompts
from components.valvano.dreambooth.adaptation import adapt
from components.valvano.dreambooth.decoder import fit_decoder
from components.valvano.dreambooth.result import write_concept
from components.valvano.dreambooth.settings import DreamBoothSettings
from components.valvano.latents import Views, normal
from components.valvano.noise import NoiseSchedule, batch, generator
from components.valvano.parts import Parts, load
from components.valvano.preview import draw_preview
from components.valvano.sampler import Request
from components.valvano.training import final, fit

FEW = 5
"""Photos under which DreamBooth tends to repeat them; its paper uses three to five of one thing."""

SAMPLES = 8
"""Images in the preview."""


def train(
    out: Path,
    settings: DreamBoothSettings,
    dataset: Path,
    base: Path,
    prior: Path,
    fraction: float,
    token: str,
    noun: str,
    seed: int,
) -> Outcome:
    """Fine-tune the base model and write it as a complete diffusers folder.

    Args:
        out: The step's folder; becomes the model's folder, with `lora/` where adapters were
            trained and `preview/samples.png`.
        settings: The training.
        dataset: The dataset artifact.
        base: The base model.
        prior: The class images.
        fraction: Fraction of the real data whose annotated training frames are learnt.
        token: Rare word that names the concept.
        noun: Class noun of the domain.
        seed: Seed of the training.

    Raises:
        ValueError: If there is nothing to train on, or the class images have another size.
        FloatingPointError: If the loss is not finite.
    """
    data = Dataset(dataset)
    frames = data.frames("train", fraction=fraction)
    if not frames:
        raise ValueError(
            f"no annotated training frame in the {percent(fraction)} subset; use a larger fraction"
        )
    on = choose(settings.bf16)
    parts = load(base, on, {"unet", "text_encoder"} if settings.text_encoder else {"unet"})
    parts.latent_shape(data.resolution)
    draws, flips = settings.steps * settings.batch, settings.flips
    photos = parts.views([data.image(one) for one in frames], draws, flips=flips, seed=seed)
    classes = (
        parts.views(_class_images(prior, data.resolution), draws, flips=flips, seed=seed)
        if settings.prior_weight
        else None
    )
    adapted = adapt(parts, settings, seed)
    objective = Objective(
        settings=settings,
        parts=parts,
        schedule=NoiseSchedule.read(parts.scheduler.config),
        photos=photos,
        classes=classes,
        texts=(prompts.concept(token), prompts.prior(noun)),
        cached=None if settings.text_encoder else parts.embed(
            [prompts.concept(token), prompts.prior(noun)]
        ).detach().float(),
        seed=seed,
    )  # fmt: skip
    checkpoint, curves = fit(
        adapted.trained,
        objective.losses,
        settings,
        out / "checkpoint.safetensors",
        on=on,
        seed=seed,
        what="training",
    )
    checkpoints = [checkpoint]
    if settings.decoder_steps:
        path = out / "decoder.safetensors"
        decoder, more = fit_decoder(parts, settings, data, fraction, path, seed)
        checkpoints.append(decoder)
        curves |= more
    parts = write_concept(out, parts, adapted, decoder_trained=settings.decoder_steps > 0)
    samples = draw_preview(
        replace(parts, unet=on.frozen(parts.unet), text_encoder=on.frozen(parts.text_encoder)),
        [Request(prompts.concept(token), (seed << 32) + number) for number in range(SAMPLES)],
        data.resolution,
    )
    (out / "preview").mkdir(exist_ok=True)
    write_image(out / "preview" / "samples.png", grid(samples, 4))
    for one in checkpoints:
        one.discard()
    return Outcome(
        metrics={
            **{f"final_{name}": final(points) for name, points in curves.items()},
            "photos": len(frames),
            "trained_parameters": sum(one.numel() for one in adapted.trained),
        },
        curves=curves,
        warnings=_warnings(parts, len(frames), fraction, token, noun),
    )


@dataclass(frozen=True)
class Objective:
    """What a training step minimises.

    Attributes:
        settings: The training.
        parts: The model; its UNet, and perhaps its text encoder, are trained.
        schedule: The forward process.
        photos: Latents of the photos.
        classes: The same of the class images; None without prior preservation.
        texts: Prompt of the photos, prompt of the class images.
        cached: Embeddings of the two, (2, length, width); None where the text encoder is trained.
        seed: Seed of the training.
    """

    settings: DreamBoothSettings
    parts: Parts
    schedule: NoiseSchedule
    photos: Views
    classes: Views | None
    texts: tuple[str, str]
    cached: Tensor | None
    seed: int

    def losses(self, step: int) -> Mapping[str, Tensor]:
        """Denoising loss of a batch of photos and of as many class images."""
        size = self.settings.batch
        rng = generator(self.seed, step)
        clean, _ = self.photos.draw(batch(self.seed, step, size, len(self.photos)), rng)
        if self.classes is not None:
            # Another seed, or photo and class image would always come in the same pairs.
            which = batch(self.seed + 1, step, size, len(self.classes))
            clean = torch.cat([clean, self.classes.draw(which, rng)[0]])
        times = torch.from_numpy(rng.integers(0, self.schedule.length, len(clean)))
        noise = normal(clean.shape, rng)
        weights = self.schedule.weight(times, self.settings.min_snr)

        device = self.parts.on.device
        times, weights = times.to(device), weights.to(device)
        clean, noise = clean.to(device), noise.to(device)
        texts = self.cached if self.cached is not None else self.parts.embed(self.texts)
        kinds = [0] * size + [1] * (len(clean) - size)
        said = self.parts.unet(
            self.schedule.noised(clean, noise, times), times, texts[kinds], return_dict=False
        )[0]
        wanted = self.schedule.target(clean, noise, times)
        errors = weights * (said.float() - wanted).square().mean((1, 2, 3))
        photos = errors[:size].mean()
        if self.classes is None:
            return {"loss": photos}
        classes = errors[size:].mean()
        return {
            "loss": photos + self.settings.prior_weight * classes,
            "loss_photos": photos,
            "loss_prior": classes,
        }


def _class_images(prior: Path, resolution: int) -> list[Image]:
    images = [read_image(path) for path in sorted((prior / "images").glob("*.png"))]
    if not images:
        raise ValueError("there are no class images; set prior_weight=0 to train without them")
    for image in images:
        if image.shape != (resolution, resolution, 3):
            raise ValueError(
                f"a class image has the shape {image.shape}, the frames are {resolution} pixels "
                "wide; draw the class images at the dataset's resolution"
            )
    return images


def _warnings(parts: Parts, frames: int, fraction: float, token: str, noun: str) -> list[str]:
    found = []
    if frames < FEW:
        found.append(
            f"The concept of the {percent(fraction)} subset was learnt from {frames} frame"
            f"{'s' if frames > 1 else ''} only; its images may repeat them"
        )
    unknown = parts.unknown([token, *noun.split()])
    if unknown:
        found.append(
            f"the base model's vocabulary lacks {', '.join(unknown)}; it means nothing to it"
        )
    return found
