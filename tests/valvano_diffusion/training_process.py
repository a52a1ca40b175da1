"""Trainings for processes that are killed; one thread, as in the other tests."""

from pathlib import Path

import torch

from components.valvano.dreambooth.settings import DreamBoothSettings
from components.valvano.dreambooth.train import train as train_concept
from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.hypernetwork.train import train as train_control


def concept(out: Path, dataset: Path, base: Path, prior: Path) -> None:
    """Phase 1 with everything that has a state; says how it ended in a file beside `out`."""
    torch.set_num_threads(1)
    settings = DreamBoothSettings(
        steps=30, batch=2, learning_rate=1e-3, checkpoint_every=4, ema=0.9, text_encoder=True,
        schedule="cosine", min_snr=5, flips=True,
    )  # fmt: skip
    outcome = train_concept(out, settings, dataset, base, prior, 1.0, "sks", "surface", 3)
    out.with_suffix(".outcome").write_text(repr(outcome))


def decoder(out: Path, dataset: Path, base: Path, prior: Path) -> None:
    """Phase 1, most of it the autoencoder's decoder; says how it ended in a file beside `out`."""
    torch.set_num_threads(1)
    settings = DreamBoothSettings(
        steps=1, batch=1, learning_rate=1e-3, checkpoint_every=4, decoder_steps=60
    )
    outcome = train_concept(out, settings, dataset, base, prior, 1.0, "sks", "surface", 3)
    out.with_suffix(".outcome").write_text(repr(outcome))


def control(out: Path, dataset: Path, base: Path, drivers: Path) -> None:
    """Phase 2; says how it ended in a file beside `out`."""
    torch.set_num_threads(1)
    settings = HyperNetworkSettings(
        steps=30, batch=2, learning_rate=1e-3, checkpoint_every=4, mask_weight=5, ema=0.9,
        unlock=True,
    )  # fmt: skip
    outcome = train_control(out, settings, dataset, drivers, base, 1.0, "sks", 3)
    out.with_suffix(".outcome").write_text(repr(outcome))
