"""Inception features through clean-fid, from a file of weights that is never downloaded.

`inception-2015-12-05.pt` is a TorchScript archive: loading it runs the network that it holds, so
it should be the published file; `quality.json` says whether its digest is that file's.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.cores import cores
from components.dataset import Image
from components.device import choose
from components.fid_evaluation.weights import TORCHSCRIPT, Weights

Run = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""Pictures (count, 3, height, width), 0 .. 255, to deep features (count, 2048) and, where the
network shows them, the maps behind its first pooling layer (count, 64, height', width')."""


@dataclass(frozen=True)
class Inception:
    """The network and how pictures are made fit for it.

    Attributes:
        run: The network.
        resize: clean-fid's resizing: (height, width, 3) uint8 to what the network expects.
        low_reason: Why there are no low-layer features; empty where there are.
        device: Where it computes.
    """

    run: Run
    resize: Callable[[Image], NDArray[Any]]
    low_reason: str
    device: torch.device


@dataclass(frozen=True)
class Features:
    """Features of a set of pictures.

    Attributes:
        deep: (pictures, 2048), those of FID and KID.
        low: (pictures, 64), means over the maps behind the first pooling layer; (pictures, 0)
            where the network does not show them.
    """

    deep: NDArray[np.float32]
    low: NDArray[np.float32]


def load_inception(weights: Weights, mode: str) -> Inception:
    """Load the network that a mode of clean-fid uses, on a GPU where there is one.

    Args:
        weights: The file, which must be there.
        mode: clean-fid's name for the way pictures are resized.

    Raises:
        ValueError: If there is no file, or it does not hold such a network.
    """
    from cleanfid.resize import build_resizer

    if weights.path is None:
        raise ValueError(weights.reason)
    device = choose(bf16=False, repeatable=False).device
    try:
        if mode == "legacy_pytorch":
            run, reason = _state(weights.path, device), ""
        else:
            run, reason = _archive(weights.path, mode, device)
    except (RuntimeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{weights.path.name} does not hold the Inception network that clean-fid's mode "
            f"{mode!r} needs; supply the published file ({error})"
        ) from error
    return Inception(run, build_resizer(mode), reason, device)


@torch.no_grad()
def extract(
    inception: Inception,
    count: int,
    read: Callable[[int], Image],
    batch: int,
    progress: Callable[[Sequence[range]], Iterator[range]] = iter,
) -> Features:
    """Features of pictures, which are read and resized by threads while the network computes.

    Args:
        inception: The network.
        count: Number of pictures.
        read: Gives a picture by its number; called from several threads.
        batch: Pictures computed at once.
        progress: Passes the batches through and may show how far they are.
    """

    def prepare(number: int) -> Tensor:
        pixels = np.asarray(inception.resize(read(number)), np.float32)
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    width = 0 if inception.low_reason else 64
    deep, low = np.zeros((count, 2048), np.float32), np.zeros((count, width), np.float32)
    batches = [range(start, min(start + batch, count)) for start in range(0, count, batch)]
    with ThreadPoolExecutor(min(8, cores())) as pool:
        ahead: list[Future[Tensor]] = []
        for place, numbers in enumerate(progress(batches)):
            now = ahead if ahead else [pool.submit(prepare, one) for one in numbers]
            coming = batches[place + 1] if place + 1 < len(batches) else range(0)
            ahead = [pool.submit(prepare, one) for one in coming]
            pictures = torch.stack([one.result() for one in now])
            # A quarter faster on a CPU than the usual order of the channels.
            pictures = pictures.to(inception.device, memory_format=torch.channels_last)
            last, first = inception.run(pictures)
            deep[numbers.start : numbers.stop] = last.float().cpu().numpy()
            if first is not None:
                low[numbers.start : numbers.stop] = first.float().mean((2, 3)).cpu().numpy()
    return Features(deep, low)


def _archive(path: Path, mode: str, device: torch.device) -> tuple[Run, str]:
    """The TorchScript network, and why its low layers cannot be seen, if so."""
    from cleanfid.inception_torchscript import InceptionV3W

    inside = mode == "legacy_tensorflow"
    with tempfile.TemporaryDirectory() as folder:
        # clean-fid takes a folder and knows the file by its name.
        (Path(folder) / TORCHSCRIPT).symlink_to(path.resolve())
        network = InceptionV3W(folder, download=False, resize_inside=inside)
    network = network.eval().to(device, memory_format=torch.channels_last)
    if inside:
        return lambda pictures: (network(pictures), None), (
            "in clean-fid's mode legacy_tensorflow the network resizes inside and shows its last "
            "layer only"
        )
    layers = list(network.layers.children())

    def split(pictures: Tensor) -> tuple[Tensor, Tensor]:
        # clean-fid's own arithmetic, layer by layer, so that the first pooling can be seen.
        maps = (pictures - 128) / 128
        for layer in layers[:4]:
            maps = layer(maps)
        deep = maps
        for layer in layers[4:]:
            deep = layer(deep)
        return deep.reshape(len(pictures), 2048), maps

    if _same(network, split, device):
        return split, ""
    return lambda pictures: (network(pictures), None), (
        "this archive does not let its first layers be run one by one"
    )


@torch.no_grad()
def _same(
    network: Any, split: Callable[[Tensor], tuple[Tensor, Tensor]], device: torch.device
) -> bool:
    """Whether running the layers one by one gives clean-fid's features and 64 pooled maps."""
    noise = torch.rand((1, 3, 299, 299), generator=torch.Generator().manual_seed(0))
    pictures = (noise * 255).to(device)
    try:
        deep, maps = split(pictures)
    except (RuntimeError, NotImplementedError):
        return False
    return maps.shape[1:] == (64, 73, 73) and torch.allclose(
        deep, network(pictures), rtol=1e-4, atol=1e-5
    )


def _state(path: Path, device: torch.device) -> Run:
    """pytorch-fid's network as clean-fid builds it, with the weights of a local file."""
    from cleanfid import inception_pytorch

    download = inception_pytorch.load_state_dict_from_url
    # clean-fid always asks for the URL; it is given the file, read without unpickling code.
    inception_pytorch.load_state_dict_from_url = lambda *_, **__: torch.load(
        path, map_location="cpu", weights_only=True
    )
    try:
        network = inception_pytorch.InceptionV3(output_blocks=[0, 3], resize_input=False)
    finally:
        inception_pytorch.load_state_dict_from_url = download
    network = network.eval().to(device, memory_format=torch.channels_last)

    def run(pictures: Tensor) -> tuple[Tensor, Tensor]:
        low, deep = network(pictures / 255)
        return deep[:, :, 0, 0], low

    return run
