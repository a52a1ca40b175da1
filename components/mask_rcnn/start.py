"""The embedded start: a small Mask R-CNN that has seen procedural textures and nothing else.

Training from random weights takes longer than two cores have. The paper starts from weights that
were trained on everyday photographs; the project cannot ship those, and makes its own on the same
textures as its base model (`pretrain.py`). The classes of the photos are not known there: it knows
one, anything marked, and every class begins as that one.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

FILE = "model.safetensors"

NAMING = ("roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits.")
"""Layers whose shape depends on the number of classes; a start has them for one."""

_HERE = Path(__file__).parent
_SCORES = "roi_heads.box_predictor.cls_score.bias"
_BOXES = "roi_heads.box_predictor.bbox_pred."


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """What a start keeps of a network."""
    return {
        name: value
        for name, value in module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def load_start(module: nn.Module, classes: int) -> None:
    """Put the embedded start into torchvision's network, `resnet18` and `small`.

    Args:
        module: The network.
        classes: Its number of classes.

    Raises:
        ValueError: If the weights cannot be fetched, or are those of another network.
    """
    with _folder() as folder:
        take(module, folder, classes)


def take(module: nn.Module, folder: Path, classes: int) -> None:
    """Put a start in a folder into torchvision's network, `resnet18` and `small`.

    Raises:
        ValueError: If the weights are those of another network.
    """
    weights = {name: value.float() for name, value in load_file(folder / FILE).items()}
    named = {
        name: _spread(name, value, classes) if name.startswith(NAMING) else value
        for name, value in weights.items()
    }
    wanted = weights_of(module)
    odd = sorted(
        name
        for name in wanted.keys() | named.keys()
        if name not in wanted or name not in named or wanted[name].shape != named[name].shape
    )
    if odd:
        raise ValueError(
            f"the start {folder} does not fit the network: {len(odd)} weights differ, the first is "
            f"{odd[0]}; train it again with python -m components.mask_rcnn.pretrain"
        )
    module.load_state_dict(named, strict=False)


def go_on(module: nn.Module, folder: Path) -> list[str]:
    """Put what fits of a start in a folder into a network, and name what begins at random.

    Raises:
        ValueError: If nothing fits.
    """
    weights = {name: value.float() for name, value in load_file(folder / FILE).items()}
    wanted = weights_of(module)
    fitting = {
        name: value
        for name, value in weights.items()
        if name in wanted and wanted[name].shape == value.shape
    }
    if not fitting:
        raise ValueError(
            f"the start {folder} does not fit the network: none of its {len(weights)} weights has "
            "a name and a shape that the network has; give a folder that pretrain wrote"
        )
    module.load_state_dict(fitting, strict=False)
    return sorted(wanted.keys() - fitting.keys())


def _spread(name: str, values: Tensor, classes: int) -> Tensor:
    """A naming layer for one class as one for many, each of which is that class.

    Rows are those of the background and then of the class, four each for boxes. The scores' bias
    falls by log(classes), so that all classes together are as likely as the one was.
    """
    rows = 4 if name.startswith(_BOXES) else 1
    ground, thing = values[:rows], values[rows:]
    if name == _SCORES:
        thing = thing - math.log(classes)
    return torch.cat([ground, *[thing] * classes])


@contextmanager
def _folder() -> Iterator[Path]:
    from components.data_versioning.source import fetched

    with fetched(str(_HERE / "start.dvc"), "") as found:
        yield found
