"""Small random models in the diffusers format, of every form the method must take."""

import json
import string
from pathlib import Path
from typing import Literal

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

Form = Literal["tiny", "stable"]

CHANNELS = (16, 32)
WIDTH = 16
LENGTH = 40


def tokenizer(folder: Path) -> CLIPTokenizer:
    """A byte-level vocabulary that knows letters, digits and a few words whole."""
    letters = [*string.ascii_lowercase, *string.digits, "-", "_"]
    vocabulary = [
        *letters,
        *(f"{one}</w>" for one in letters),
        "an</w>",
        "of</w>",
        "im",
        "image</w>",
    ]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(
        json.dumps({word: number for number, word in enumerate(vocabulary)})
    )
    (folder / "merges.txt").write_text("#version: 0.2\na n</w>\no f</w>\ni m\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=LENGTH)


def write_base(folder: Path, form: Form = "tiny", *, seed: int = 0, scale: float = 1.0) -> Path:
    """Write a random base model.

    Args:
        folder: Where to.
        form: `tiny` is the embedded model's form (AutoencoderTiny of factor 4, v-prediction with
            zero terminal SNR, trailing time steps, fp16 files), `stable` is Stable Diffusion 1.5's
            (AutoencoderKL of factor 8, epsilon, PNDM).
        seed: Of the weights.
        scale: Factor of the small autoencoder's latents.
    """
    torch.manual_seed(seed)
    words = tokenizer(folder / "tokenizer")
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=LENGTH,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
    )
    if form == "tiny":
        vae: torch.nn.Module = AutoencoderTiny(
            encoder_block_out_channels=(8, 8, 8),
            decoder_block_out_channels=(8, 8, 8),
            num_encoder_blocks=(1, 1, 1),
            num_decoder_blocks=(1, 1, 1),
            scaling_factor=scale,
        )
        scheduler: DDIMScheduler | PNDMScheduler = DDIMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            clip_sample=False,
        )
    else:
        vae = AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=4,
            layers_per_block=1,
        )
        scheduler = PNDMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            skip_prk_steps=True,
            steps_offset=1,
        )
    pipe = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=words,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    if form == "tiny":
        pipe = pipe.to(torch.float16)
    pipe.save_pretrained(folder)
    return folder
