"""Second stage: the text encoder learns by contrast what captions say of pictures.

Trained by the denoiser's loss alone it came to tell dark surfaces from bright ones and nothing
else: a word for a crack lowers that loss by too little. Radford et al. 2021 (CLIP) is how Stable
Diffusion's was made too, and like there it is frozen afterwards.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel

from components.base_model.loop import Curves, train_stage
from components.base_model.plan import Stage

_WIDTH = 64
"""Of the space in which pictures and captions meet."""
_SHARPNESS = 100.0
"""Largest factor on the cosines (Radford et al. 2021, section 2.5)."""


class _Eye(nn.Module):
    """Reads latents (B, 4, h, w) into vectors (B, _WIDTH).

    What it saw last is pooled by mean and by maximum: a mark is a small part of a picture.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (4, 48, 64, 96, 128)
        layers: list[nn.Module] = []
        for number, (one, other) in enumerate(pairwise(widths)):
            layers += [
                nn.Conv2d(one, other, 3, 1 if number == 0 else 2, 1),
                nn.GroupNorm(8, other),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.out = nn.Linear(2 * widths[-1], _WIDTH)

    def forward(self, latents: Tensor) -> Tensor:
        seen = self.layers(latents)
        return torch.as_tensor(self.out(torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1)))


class Contrast(nn.Module):
    """The text encoder, its eye and what they share.

    Args:
        text: The text encoder; its pooled output is that of the end token.
        scale: The autoencoder's scaling factor.
    """

    def __init__(self, text: CLIPTextModel, scale: float) -> None:
        super().__init__()
        self.text = text
        self.said = nn.Linear(text.config.hidden_size, _WIDTH, bias=False)
        self.eye = _Eye()
        self.sharpness = nn.Parameter(torch.tensor(14.0).log())
        self._scale = scale

    def forward(self, latents: Tensor, tokens: Tensor) -> Tensor:
        """Likeness (B, C) of latents (B, 4, h, w), unscaled, and captions (C, LENGTH)."""
        seen = functional.normalize(self.eye(latents * self._scale), dim=-1)
        said = functional.normalize(self.said(self.text(tokens).pooler_output), dim=-1)
        return seen @ said.T * self.sharpness.exp().clamp(max=_SHARPNESS)


def fit_text(
    text: CLIPTextModel,
    latents: Tensor,
    tokens: Tensor,
    scale: float,
    stage: Stage,
    seed: int,
    work: Path,
) -> Curves:
    """Train the text encoder in place; its weights become their moving average.

    The loss is the cross-entropy of finding a picture's caption among the batch's and a caption's
    picture, averaged; captions that are equal count as one.

    Args:
        text: The text encoder.
        latents: Unscaled latents of the pool, (count, 4, h, w).
        tokens: Its captions, (count, LENGTH).
        scale: The autoencoder's scaling factor.
        stage: Steps, batch and learning rate.
        seed: Of the eye's weights and the batches.
        work: Folder for the checkpoint.

    Returns:
        Curve `text loss`.
    """
    device = next(text.parameters()).device
    torch.manual_seed(seed)
    both = Contrast(text, scale).to(device)

    def gradients(step: int) -> dict[str, float]:
        rows = np.random.default_rng([seed, 3, step]).integers(len(latents), size=stage.batch)
        seen = _turned(latents[rows].float(), seed, step).to(device)
        loss = _loss(both, seen, tokens[rows])
        loss.backward()
        return {"text loss": loss.item()}

    optimizer = torch.optim.AdamW(both.parameters(), lr=stage.learning_rate, weight_decay=0.05)
    return train_stage("text", both, optimizer, gradients, stage, work, decay=0.995)


def _turned(latents: Tensor, seed: int, step: int) -> Tensor:
    """Latents turned by quarters and mirrored, so that the eye has more of them to learn from."""
    rng = np.random.default_rng([seed, 4, step])
    found = torch.rot90(latents, int(rng.integers(4)), (2, 3))
    return found.flip(3) if rng.random() < 0.5 else found


def _loss(both: Contrast, latents: Tensor, tokens: Tensor) -> Tensor:
    captions, owner = torch.unique(tokens, dim=0, return_inverse=True)
    device = latents.device
    likeness = both(latents, captions.to(device))
    owner = owner.to(device)
    found = functional.cross_entropy(likeness, owner)
    # A caption of several pictures is to find any of them.
    own = functional.one_hot(owner, len(captions)).T.bool()
    towards = likeness.T.log_softmax(1).masked_fill(~own, -torch.inf).logsumexp(1)
    return (found - towards.mean()) / 2
