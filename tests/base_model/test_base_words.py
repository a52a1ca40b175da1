"""The model that the project ships draws what its prompts name."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from components.base_model.resolve import embedded


@pytest.fixture(scope="module")
def drawn():
    """Grey pictures (4, 96, 96) of a prompt, from the same four noises for every prompt."""
    with embedded() as folder:
        pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    kept = {}

    def draw(prompt):
        if prompt not in kept:
            noises = [torch.Generator().manual_seed(seed) for seed in range(4)]
            kept[prompt] = 255 * pipeline(
                [prompt] * 4, height=96, width=96, num_inference_steps=10, guidance_scale=2.0,
                generator=noises, output_type="np",
            ).images.mean(-1)  # fmt: skip
        return kept[prompt]

    return draw


@pytest.mark.parametrize("mark", ["crack", "scratch", "blowhole", "pit", "burn", "spall"])
def test_a_word_for_a_mark_changes_the_picture_where_none_does_not(drawn, mark):
    bare = drawn("a metal surface")
    changed = np.abs(drawn(f"a metal surface with a {mark}") - bare).mean()
    unchanged = np.abs(drawn("a metal surface without a defect") - bare).mean()
    assert changed > 1.5
    assert changed > 1.5 * unchanged


def test_a_burn_is_dark_and_broad_and_a_blowhole_dark_and_small(drawn):
    darker = {
        name: np.mean(drawn("a metal surface") - drawn(f"a metal surface with a {name}") > 20)
        for name in ("burn", "blowhole", "crack")
    }
    assert darker["burn"] > 2 * darker["blowhole"] > 0
    assert darker["burn"] > 2 * darker["crack"]


def test_a_dark_surface_is_dark(drawn):
    assert drawn("a dark metal surface").mean() < 0.6 * drawn("a metal surface").mean()
