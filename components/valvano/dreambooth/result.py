"""The model of phase 1 as a complete diffusers folder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.store import place
from components.valvano.dreambooth.adaptation import Adaptation
from components.valvano.parts import INDEX, Parts, write_network

_KEPT = ("vae", "tokenizer", "scheduler")


def write_concept(
    out: Path, parts: Parts, adapted: Adaptation, *, decoder_trained: bool = False
) -> Parts:
    """Write the model, so that later steps need nothing else, and give it back, adapters fused.

    Parts that were not trained are linked from the base model where the file system can. What a
    published model may have beside the method's parts, such as a safety checker, is left out.

    Args:
        out: The model's folder.
        parts: The trained model.
        adapted: What was trained of it.
        decoder_trained: Whether the autoencoder's decoder was, too.
    """
    base = parts.folder
    if adapted.unet is not None:
        _write_adapters(out / "lora", adapted)
        parts = replace(parts, unet=adapted.unet.merge_and_unload())
        if adapted.text_encoder is not None:
            parts = replace(parts, text_encoder=adapted.text_encoder.merge_and_unload())
    write_network(parts.unet, out / "unet")
    if adapted.text_trained:
        write_network(parts.text_encoder, out / "text_encoder")
    if decoder_trained:
        write_network(parts.vae, out / "vae")
    trained = {"vae": decoder_trained, "text_encoder": adapted.text_trained}
    for part in (*_KEPT, "text_encoder"):
        if not trained.get(part):
            place(base / part, out / part)
    index = json.loads((base / INDEX).read_text())
    ours = {*_KEPT, "unet", "text_encoder"}
    for name, value in index.items():
        if isinstance(value, list) and name not in ours:
            index[name] = [None, None]
    index["requires_safety_checker"] = False
    index.pop("_name_or_path", None)
    (out / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    return parts


def _write_adapters(folder: Path, adapted: Adaptation) -> None:
    """Write the adapters alone, in the form that `load_lora_weights` of diffusers reads."""
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import get_peft_model_state_dict

    def layers(network: Any | None) -> Any:
        if network is None:
            return None
        found = get_peft_model_state_dict(network)
        return convert_state_dict_to_diffusers(
            {name.removeprefix("base_model.model."): value for name, value in found.items()}
        )

    StableDiffusionPipeline.save_lora_weights(
        folder,
        unet_lora_layers=layers(adapted.unet),
        text_encoder_lora_layers=layers(adapted.text_encoder),
        safe_serialization=True,
    )
