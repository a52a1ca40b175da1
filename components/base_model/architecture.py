"""The embedded model's networks: Stable Diffusion's classes, small.

Factor 4 instead of 8 between pixels and latents keeps lines of one pixel alive at 96 pixels.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from diffusers import (
    AutoencoderTiny,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from components.base_model.tokenizer import LENGTH, tokenizer

FACTOR = 4
"""Pixels of a latent's side."""

_TEXT_WIDTH = 64


def autoencoder(channels: int = 32, scale: float = 1.0) -> AutoencoderTiny:
    """A deterministic autoencoder (B, 3, H, W) in -1 .. 1 to (B, 4, H / 4, W / 4).

    It has no normalisation. PyTorch's own initialisation lets its signals fade out over the
    layers, so they start with unit gain, with residual branches that start small.

    Args:
        channels: Width of all its layers.
        scale: Factor that gives the latents unit deviation.
    """
    model = AutoencoderTiny(
        encoder_block_out_channels=(channels,) * 3,
        decoder_block_out_channels=(channels,) * 3,
        num_encoder_blocks=(0, 2, 3),
        num_decoder_blocks=(3, 2, 0),
        latent_channels=4,
        scaling_factor=scale,
    )
    _initialise(model)
    return model


@torch.no_grad()
def _initialise(model: AutoencoderTiny) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in model.modules():
        if isinstance(module, AutoencoderTinyBlock):
            for number, gain in ((0, 2**0.5), (2, 2**0.5), (4, 0.3)):
                module.conv[number].weight.mul_(gain)
    last = model.decoder.layers[-1]
    last.weight.mul_(0.2)
    last.bias.fill_(0.5)  # mid-grey


def denoiser(side: int, channels: tuple[int, int, int] = (32, 64, 96)) -> UNet2DConditionModel:
    """A UNet for latents (B, 4, side / 4, side / 4) that reads text at its coarsest level."""
    return UNet2DConditionModel(
        sample_size=side // FACTOR,
        layers_per_block=1,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=_TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def text_encoder(words: CLIPTokenizer) -> CLIPTextModel:
    """A CLIP text encoder of two layers for the tokenizer's vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=_TEXT_WIDTH,
            intermediate_size=4 * _TEXT_WIDTH,
            projection_dim=_TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )


def scheduler() -> DDIMScheduler:
    """v-prediction on a schedule that ends in pure noise (Lin et al. 2023)."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


@dataclass
class Model:
    """All parts of a base model."""

    vae: AutoencoderTiny
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler

    @classmethod
    def new(cls, side: int, seed: int) -> Self:
        """An untrained model for pictures of `side` pixels."""
        torch.manual_seed(seed)
        words = tokenizer()
        return cls(autoencoder(), denoiser(side), text_encoder(words), words, scheduler())

    def take(self, folder: Path) -> None:
        """Take the weights of a model of the same shape that `save` wrote."""
        for name in ("vae", "unet", "text_encoder"):
            part: nn.Module = getattr(self, name)
            part.load_state_dict(type(part).from_pretrained(folder / name).float().state_dict())

    def pipeline(self) -> StableDiffusionPipeline:
        """The parts as diffusers' pipeline."""
        return StableDiffusionPipeline(
            vae=self.vae,
            unet=self.unet,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            scheduler=self.scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    def save(self, folder: Path) -> None:
        """Write the diffusers folder, float16 safetensors; the parts become float16 themselves."""
        self.pipeline().to(dtype=torch.float16).save_pretrained(folder, safe_serialization=True)
        # transformers would compute in the type that the configuration names, unlike diffusers.
        config = folder / "text_encoder" / "config.json"
        fields = json.loads(config.read_text())
        config.write_text(json.dumps(fields | {"dtype": "float32"}, indent=2))

    def tokens(self, prompts: list[str]) -> torch.Tensor:
        """Token numbers (len(prompts), LENGTH) of prompts, cut and padded."""
        found = self.tokenizer(
            prompts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
        )
        return torch.as_tensor(found.input_ids)
