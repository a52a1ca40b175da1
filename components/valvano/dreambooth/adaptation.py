"""Which weights phase 1 trains: all of a network, or low-rank adapters of its attention."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from components.valvano.dreambooth.settings import DreamBoothSettings
from components.valvano.parts import Parts

_UNET = ["to_q", "to_k", "to_v", "to_out.0"]
_TEXT = ["q_proj", "k_proj", "v_proj", "out_proj"]


@dataclass(frozen=True)
class Adaptation:
    """What is trained.

    Attributes:
        trained: The parameters.
        unet: The UNet with adapters, a peft model; None where all its weights are trained.
        text_encoder: The same of the text encoder.
        text_trained: Whether the text encoder is trained at all.
    """

    trained: list[nn.Parameter]
    unet: Any | None
    text_encoder: Any | None
    text_trained: bool


def adapt(parts: Parts, settings: DreamBoothSettings, seed: int) -> Adaptation:
    """Make the networks that are to be trained ready for it, in place.

    Args:
        parts: The model, frozen.
        settings: What to train.
        seed: Seed of the adapters' first values.
    """
    networks: list[tuple[nn.Module, list[str]]] = [(parts.unet, _UNET)]
    if settings.text_encoder:
        networks.append((parts.text_encoder, _TEXT))
    adapters: list[Any | None] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for network, targets in networks:
            parts.on.trained(network).train()
            adapters.append(_add(network, targets, settings.lora_rank, parts)
                            if settings.adaptation == "lora" else None)  # fmt: skip
            if settings.adaptation == "full":
                network.requires_grad_(True)
    if settings.gradient_checkpointing:
        parts.unet.enable_gradient_checkpointing()
        if settings.text_encoder:
            parts.text_encoder.gradient_checkpointing_enable()
    trained = [one for network, _ in networks for one in network.parameters() if one.requires_grad]
    return Adaptation(
        trained=trained,
        unet=adapters[0],
        text_encoder=adapters[1] if settings.text_encoder else None,
        text_trained=settings.text_encoder,
    )


def _add(network: nn.Module, targets: list[str], rank: int, parts: Parts) -> Any:
    """Put adapters into the network in place; their product starts at zero."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank, lora_alpha=rank, target_modules=targets, init_lora_weights="gaussian"
    )
    adapted = get_peft_model(network, config)
    return parts.on.trained(adapted)
