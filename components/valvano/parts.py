"""The parts of a Stable Diffusion model: text encoder, autoencoder, UNet, scheduler.

Nothing here knows how large the model is. The folder is in the diffusers format; the autoencoder
may be Stable Diffusion's own (AutoencoderKL, factor 8, random encoding) or the small one
(AutoencoderTiny, any factor, exact encoding). Weights are read from safetensors only.
"""

import inspect
import json
import logging
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils.logging import disable_progress_bar

from components.dataset import Image
from components.device import Device
from components.valvano.latents import Latents, Views
from components.valvano.orientation import lay, orientations

INDEX = "model_index.json"
_AUTOENCODERS = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}


@dataclass(frozen=True)
class Parts:
    """A model's parts, on one device.

    Attributes:
        folder: Where they were read from.
        tokenizer: Turns prompts into tokens.
        text_encoder: Turns tokens into what the UNet attends to.
        vae: The autoencoder.
        unet: The denoiser.
        on: The device and the precision of the frozen parts.
    """

    folder: Path
    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    vae: AutoencoderKL | AutoencoderTiny
    unet: UNet2DConditionModel
    on: Device

    @property
    def factor(self) -> int:
        """Pixels a latent cell is wide."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @cached_property
    def scheduler(self) -> Any:
        """The sampler that the model was published with."""
        name = _index(self.folder)["scheduler"][1]
        kind: Any = getattr(diffusers, name, None)
        usable = inspect.isclass(kind) and issubclass(kind, diffusers.SchedulerMixin)
        if not usable:
            raise ValueError(
                f"{self.folder / INDEX} names the scheduler {name!r}, which diffusers does not "
                "have; name one that it has, for instance DDIMScheduler"
            )
        return kind.from_pretrained(self.folder, subfolder="scheduler")

    def latent_shape(self, resolution: int) -> tuple[int, int, int]:
        """Shape (channels, height, width) of one picture's latents.

        Raises:
            ValueError: If the UNet cannot halve them as often as it must.
        """
        step = self.factor * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if resolution % step:
            raise ValueError(
                f"resolution {resolution} is not a multiple of {step}, which this base model "
                f"needs; the nearest are {resolution // step * step} and "
                f"{(resolution // step + 1) * step}"
            )
        side = resolution // self.factor
        return int(self.unet.config.in_channels), side, side

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Token numbers, (prompts, length), on the device."""
        longest = min(
            self.tokenizer.model_max_length, self.text_encoder.config.max_position_embeddings
        )
        return self.tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=longest,
            return_tensors="pt",
        ).input_ids.to(self.on.device)

    def embed(self, prompts: Sequence[str]) -> Tensor:
        """Text embeddings, (prompts, length, width)."""
        return self.text_encoder(self.tokens(prompts))[0]

    def unknown(self, words: Sequence[str]) -> list[str]:
        """Those of the words that the tokenizer has no tokens for."""
        found = []
        for word in words:
            ids = self.tokenizer(word, add_special_tokens=False).input_ids
            if not ids or self.tokenizer.unk_token_id in ids:
                found.append(word)
        return found

    @torch.no_grad()
    def encode(self, pictures: Iterable[Image], batch: int = 8) -> Latents:
        """Latents of pictures of one size."""
        vae = self.vae
        scale = float(vae.config.scaling_factor)
        means, deviations = [], []
        pending = iter(pictures)
        while group := list(islice(pending, batch)):
            values = torch.from_numpy(np.stack(group)).to(self.on.device)
            coded = vae.encode(values.permute(0, 3, 1, 2).float() / 127.5 - 1)
            if isinstance(vae, AutoencoderKL):
                means.append((coded.latent_dist.mean * scale).cpu())
                deviations.append((coded.latent_dist.std * scale).cpu())
            else:
                means.append((coded.latents * scale).cpu())
        return Latents(torch.cat(means), torch.cat(deviations) if deviations else None)

    def views(
        self, pictures: Sequence[Image], draws: int, *, flips: bool, turns: bool = False, seed: int
    ) -> Views:
        """Latents of square pictures in the orientations in which a training draws them.

        Args:
            pictures: Of one size.
            draws: How many pictures the training draws in all.
            flips: Whether they may be mirrored.
            turns: Whether they may be turned by quarters.
            seed: Chooses among the orientations where not all are needed.
        """
        chosen = orientations(len(pictures), draws, flips=flips, turns=turns, seed=seed)
        laid = (
            lay(picture, int(one))
            for picture, own in zip(pictures, chosen, strict=True)
            for one in own
        )
        return Views(self.encode(laid), chosen)

    def decode(self, latents: Tensor) -> NDArray[np.uint8]:
        """Pictures (n, height, width, 3) of latents (n, channels, h, w)."""
        scale = float(self.vae.config.scaling_factor)
        decoded = self.vae.decode(latents.float() / scale).sample
        values = (decoded.float() + 1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
        return values.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def load(folder: Path, on: Device, exact: Container[str] = ()) -> Parts:
    """Read a model; all its parts are frozen.

    Args:
        folder: In the diffusers format.
        on: Where to put it.
        exact: Of `unet` and `text_encoder` those that stay float32, to be trained: weights once
            rounded would begin, and be written, rounded. The autoencoder always does, for Stable
            Diffusion's overflows in half precision and it computes once an image.

    Raises:
        ValueError: If the model is not of Stable Diffusion's architecture, or has no safetensors.
    """
    index = _index(folder)
    name = index.get("vae", (None, None))[1]
    if name not in _AUTOENCODERS or index.get("text_encoder", (None, None))[1] != "CLIPTextModel":
        raise ValueError(
            f"{folder} holds the autoencoder {name} and the text encoder "
            f"{index.get('text_encoder', (None, None))[1]}; the method takes models of Stable "
            f"Diffusion's architecture: {' or '.join(_AUTOENCODERS)} with one CLIPTextModel"
        )
    for part in ("text_encoder", "vae", "unet"):
        if not any((folder / part).glob("*.safetensors")):
            raise ValueError(
                f"{folder / part} has no .safetensors file; convert the weights, other formats "
                "are not read because they can run code"
            )

    vae = _read(_AUTOENCODERS[name], folder / "vae")
    if name == "AutoencoderKL":
        # Decoding a picture of 512 pixels takes 1.3 GB; a batch at once would take more than all
        # else together, and is no faster.
        vae.enable_slicing()

    def put(part: str, network: Any) -> Any:
        if part == "vae" or part in exact:
            return on.trained(network).eval().requires_grad_(False)
        return on.frozen(network)

    return Parts(
        folder=folder,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        text_encoder=put("text_encoder", _read(CLIPTextModel, folder / "text_encoder", "dtype")),
        vae=put("vae", vae),
        unet=put("unet", _read(UNet2DConditionModel, folder / "unet")),
        on=on,
    )


def read_network(kind: Any, folder: Path) -> Any:
    """Read one diffusers network in float32, from safetensors only."""
    return _read(kind, folder)


def write_network(network: Any, folder: Path) -> None:
    """Write a network in its library's format, without the path that it once came from."""
    if hasattr(network, "register_to_config"):
        network.register_to_config(_name_or_path="")
    else:
        network.config._name_or_path = ""
    network.save_pretrained(folder, safe_serialization=True)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a remark on a configuration is worth a line.

    diffusers itself writes `block_out_channels` into every AutoencoderTiny's, to warn of it there.
    """
    message = record.getMessage()
    return not ("block_out_channels" in message and "AutoencoderTiny" in message)


def _read(kind: Any, folder: Path, dtype: str = "torch_dtype") -> Any:
    # Logs are read by people: a bar of a second is none of their lines.
    disable_progress_bar()
    logging.getLogger("diffusers.configuration_utils").addFilter(_worth_a_line)
    # The files may be half precision; computing starts from float32.
    return kind.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, **{dtype: torch.float32}
    )


def _index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    if not path.is_file():
        raise ValueError(f"{folder} has no {INDEX}; give a model folder in the diffusers format")
    index: dict[str, Any] = json.loads(path.read_text())
    return index
