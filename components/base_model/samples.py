"""A grid of what the model draws, for the model card."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from components.base_model.architecture import Model
from components.pictures import grid

PROMPTS = (
    "a metal surface",
    "an image of a brushed metal part",
    "a photo of a dark cast metal surface",
    "an image of a woven tile",
    "an image of a surface with a crack",
    "an image of a metal surface with a scratch",
    "an image of a tile with a blowhole",
    "an image of a plate with a burn",
)
"""One row of the grid each."""


def samples(
    model: Model, side: int, seed: int, path: Path, *, steps: int = 25, columns: int = 8
) -> None:
    """Draw `columns` pictures for every prompt and write the grid to `path`.

    A column begins with the same noise in every row, so that it shows what the words change.
    """
    pipeline = model.pipeline()
    pipeline.set_progress_bar_config(disable=True)
    drawn: list[NDArray[np.uint8]] = []
    for prompt in PROMPTS:
        noises = [torch.Generator().manual_seed(seed * 1000 + at) for at in range(columns)]
        found = pipeline(
            prompt, height=side, width=side, num_inference_steps=steps, guidance_scale=2.0,
            num_images_per_prompt=columns, generator=noises, output_type="np",
        ).images  # fmt: skip
        drawn.extend(np.round(found * 255).astype(np.uint8))
    Image.fromarray(grid(drawn, columns)).save(path)
