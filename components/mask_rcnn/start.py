"""The embedded start: a small Mask R-CNN that has seen procedural textures and nothing else.

Training from random weights takes longer than two cores have. The paper starts from weights that
were trained on everyday photographs; the project cannot ship those, and makes its own on the same
textures as its base model (`pretrain.py`). The classes of the photos are not known there, so the
layers that name them start at random all the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import load_file
from torch import nn

FILE = "model.safetensors"

_HERE = Path(__file__).parent
_NAMING = ("roi_heads.box_predictor.", "roi_heads.mask_predictor.mask_fcn_logits.")
"""Layers whose shape depends on the number of classes."""


def without_names(weights: dict[str, object]) -> dict[str, object]:
    """The weights that any number of classes can start from."""
    return {
        name: value
        for name, value in weights.items()
        if not name.startswith(_NAMING) and not name.endswith("num_batches_tracked")
    }


def load_start(module: nn.Module) -> None:
    """Put the embedded start into torchvision's network, `resnet18` and `small`.

    Raises:
        ValueError: If the weights cannot be fetched, or are those of another network.
    """
    with _folder() as folder:
        take(module, folder)


def take(module: nn.Module, folder: Path) -> None:
    """Put a start in a folder into torchvision's network, `resnet18` and `small`.

    Raises:
        ValueError: If the weights are those of another network.
    """
    weights = load_file(folder / FILE)
    weights = {name: value.float() for name, value in weights.items()}
    wanted = set(without_names(dict(module.state_dict())))
    if wanted != set(weights):
        odd = sorted(wanted ^ set(weights))
        raise ValueError(
            f"the start {folder} does not fit the network: {len(odd)} weights differ, the first is "
            f"{odd[0]}; train it again with python -m components.mask_rcnn.pretrain"
        )
    module.load_state_dict(weights, strict=False)


@contextmanager
def _folder() -> Iterator[Path]:
    from components.data_versioning.source import fetched

    with fetched(str(_HERE / "start.dvc"), "") as found:
        yield found
