"""Where the hypernetwork's training starts.

The paper starts from a copy of the UNet's encoder. For the embedded base model there is another
start: the same copy after a long training on procedural textures (`pretrain.py`), which knows what
a painted mask means before it sees a photo. Fine-tuning then needs minutes instead of hours.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel
from safetensors.torch import load_file

from components.valvano.parts import Parts

FILE = "model.safetensors"

_HERE = Path(__file__).parent
_EMBEDDING = (16, 32, 96, 256)


def new_control(parts: Parts, seed: int) -> ControlNetModel:
    """A copy of the UNet's encoder with zero-initialised connections.

    Its driver's embedding halves the picture once for every entry but the first, just as the
    autoencoder does, so that both meet at the size of the latents.
    """
    levels = len(parts.vae.config.block_out_channels)
    widths = (*_EMBEDDING, *[_EMBEDDING[-1]] * levels)[:levels]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ControlNetModel.from_unet(parts.unet, conditioning_embedding_out_channels=widths)


def load_start(control: ControlNetModel) -> Any:
    """Put the embedded start into a copy of the embedded base model.

    Returns:
        Its `training.json`: procedure, quality, time and curves.

    Raises:
        ValueError: If the weights cannot be fetched, or are those of another network.
    """
    from components.data_versioning.source import fetched

    with fetched(str(_HERE / "start.dvc"), "") as folder:
        weights = {name: value.float() for name, value in load_file(folder / FILE).items()}
        about = json.loads((folder / "training.json").read_text())
    wanted = {name: value.shape for name, value in control.state_dict().items()}
    given = {name: value.shape for name, value in weights.items()}
    if wanted != given:
        odd = sorted(name for name, _ in wanted.items() ^ given.items())
        raise ValueError(
            f"the embedded start is that of the embedded base model, this one differs in "
            f"{len(set(odd))} weights, the first is {odd[0]}; set hypernetwork.start=copy"
        )
    control.load_state_dict(weights)
    return about
