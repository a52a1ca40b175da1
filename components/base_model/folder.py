"""What a folder needs to be a base model, checked before anything is computed with it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

INDEX = "model_index.json"
WEIGHTS = ("unet", "vae", "text_encoder")
PARTS = (*WEIGHTS, "tokenizer", "scheduler")

_CONFIGS = {"scheduler": "scheduler_config.json", "tokenizer": "tokenizer_config.json"}
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_KEPT = (".json", ".txt", ".safetensors")
_VARIANTS = (".fp16.", ".non_ema.", ".bf16.")


def patterns() -> list[str]:
    """Names of the files that a base model is made of, for a download."""
    return [INDEX, *(f"{part}/*{suffix}" for part in PARTS for suffix in _KEPT)]


def check(folder: Path) -> None:
    """Check that a folder is a Stable Diffusion model that this project can train.

    Raises:
        ValueError: With every problem that was found, one a line.
    """
    found = list(problems(folder))
    if found:
        lines = "\n".join(f"  - {problem}" for problem in found)
        raise ValueError(
            f"{folder} is no usable base model:\n{lines}\n"
            "A base model is a Stable Diffusion folder as diffusers' save_pretrained writes it, "
            "with safetensors weights."
        )


def problems(folder: Path) -> Iterator[str]:
    """What keeps a folder from being a base model, in sentences."""
    if not folder.is_dir():
        yield "there is no such folder"
        return
    index = _json(folder / INDEX)
    if index is None:
        yield f"{INDEX} is missing or is not JSON"
    else:
        yield from _foreign(index)
    for part in PARTS:
        if not (folder / part).is_dir():
            yield f"{part}/ is missing"
            continue
        if _json(folder / part / _CONFIGS.get(part, "config.json")) is None:
            yield f"{part}/{_CONFIGS.get(part, 'config.json')} is missing or is not JSON"
        if part in WEIGHTS:
            yield from _weights(folder / part)
    yield from _misfits(folder)


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _foreign(index: dict[str, Any]) -> Iterator[str]:
    """Parts whose class comes from elsewhere than the two libraries: code of the model's own."""
    if index.get("_class_name") != "StableDiffusionPipeline":
        yield (
            f"{INDEX} names the class {index.get('_class_name')!r}; "
            "only StableDiffusionPipeline is supported"
        )
    for part in PARTS:
        origin = index.get(part)
        if not isinstance(origin, list) or len(origin) != 2:
            yield f"{INDEX} does not say which class {part} is"
        elif origin[0] not in ("diffusers", "transformers"):
            yield f"{part} needs code from {origin[0]!r}; code of a model is never run"


def _weights(folder: Path) -> Iterator[str]:
    files = [path for path in sorted(folder.iterdir()) if path.suffix == ".safetensors"]
    files = [path for path in files if not _is_variant(path.name)]
    pickles = [path.name for path in sorted(folder.iterdir()) if path.suffix in _PICKLES]
    if not files and pickles:
        yield (
            f"{folder.name}/{pickles[0]} is a pickle, which can run code when it is loaded; "
            "convert it once with save_pretrained(..., safe_serialization=True)"
        )
    elif not files:
        yield f"{folder.name}/ has no .safetensors file"
    for path in files:
        try:
            with safe_open(path, "np"):
                pass
        except (SafetensorError, OSError) as error:
            yield f"{folder.name}/{path.name} cannot be read: {error}"
    for listing in folder.glob("*.safetensors.index.json"):
        shards = (_json(listing) or {}).get("weight_map", {})
        for name in sorted(set(shards.values()) - {path.name for path in files}):
            yield f"{folder.name}/{name}, a shard that {listing.name} lists, is missing"


def _misfits(folder: Path) -> Iterator[str]:
    """Parts that do not fit each other."""
    unet, vae, text = (_json(folder / part / "config.json") or {} for part in WEIGHTS)
    latents = vae.get("latent_channels")
    if unet and vae and unet.get("in_channels") != latents:
        yield (
            f"the UNet reads {unet.get('in_channels')} channels and the autoencoder has {latents}; "
            "inpainting and depth models are not supported"
        )
    width = text.get("hidden_size")
    if unet and text and unet.get("cross_attention_dim") != width:
        yield (
            f"the UNet reads text of width {unet.get('cross_attention_dim')} "
            f"and the text encoder writes width {width}"
        )


def copy(folder: Path, out: Path) -> None:
    """Copy the parts of a checked model, and nothing else that lies in its folder.

    What an interrupted copy left is written over or removed. The index no longer names the safety
    checker and what belongs to it, which are not copied.
    """
    wanted = {
        f"{part}/{path.name}": path
        for part in PARTS
        for path in sorted((folder / part).iterdir())
        if path.is_file() and path.suffix in _KEPT and not _is_variant(path.name)
    }
    for path in [path for path in out.rglob("*") if path.is_file()]:
        if path.relative_to(out).as_posix() not in {*wanted, INDEX}:
            path.unlink()
    for name, path in wanted.items():
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(path, target)
    index = _json(folder / INDEX) or {}
    kept = {name: value for name, value in index.items() if name in PARTS or name[0] == "_"}
    kept |= {"safety_checker": [None, None], "feature_extractor": [None, None]}
    kept |= {"image_encoder": [None, None], "requires_safety_checker": False}
    kept.pop("_name_or_path", None)
    (out / INDEX).write_text(json.dumps(kept, indent=1, sort_keys=True))


def parameters(folder: Path) -> dict[str, int]:
    """Number of parameters of every part that has some; 0 of one that has no files."""
    counts: dict[str, int] = {}
    for part in WEIGHTS:
        counts[part] = 0
        for path in sorted((folder / part).glob("*.safetensors")):
            if _is_variant(path.name):
                continue
            with safe_open(path, "np") as tensors:
                for name in tensors.keys():
                    size = 1
                    for length in tensors.get_slice(name).get_shape():
                        size *= length
                    counts[part] += size
    return counts


def _is_variant(name: str) -> bool:
    return any(mark in name for mark in _VARIANTS)
