"""What a library's Mask R-CNN must be able to do; everything else is the same for all of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from components.device import Device, choose
from components.instances import Instance, Mask
from components.mask_rcnn.settings import MaskRCNNSettings

LEAST_SCORE = 0.05
"""Detections of lower score are dropped; average precision hardly sees them."""

MOST_DETECTIONS = 100
"""Detections kept of an image, COCO's limit."""


@dataclass(frozen=True)
class Detection:
    """A defect that the segmenter found.

    Attributes:
        label: Index of its class, 0 .. number of classes - 1.
        score: Confidence, 0 .. 1, rounded to six decimals.
        mask: Its pixels, (height, width).
        box: x, y, width, height, pixels.
    """

    label: int
    score: float
    mask: Mask
    box: tuple[float, float, float, float]


class Backend(ABC):
    """A Mask R-CNN of one library.

    Attributes:
        module: The network; its state dict is the whole result of the training.
        on: Where it computes, and in which precision.
    """

    module: nn.Module
    on: Device

    @abstractmethod
    def loss(self, images: Tensor, truth: Sequence[Sequence[Instance]]) -> Tensor:
        """The sum of the five losses of Mask R-CNN, a scalar to differentiate.

        Anchors and proposals are sampled from torch's global generator, which the caller seeds.

        Args:
            images: (count, 3, side, side), 0 .. 1.
            truth: The instances of every image, masks (side, side).
        """

    @abstractmethod
    def detect(self, images: Tensor) -> list[list[Detection]]:
        """Detections of every image, by descending score, without gradients.

        Args:
            images: (count, 3, side, side), 0 .. 1.
        """


def build(
    settings: MaskRCNNSettings, classes: int, resolution: int, *, trained: bool = False
) -> Backend:
    """The network that the settings describe, on a GPU where there is one.

    Its random weights come from torch's global generator.

    Args:
        settings: The step's settings.
        classes: Number of defect classes.
        resolution: Side of the frames, pixels.
        trained: Whether all weights are about to be replaced, so that no pretrained ones are read.

    Raises:
        ValueError: If the library is not there, or the pretrained weights do not fit.
    """
    on = choose(settings.bf16, repeatable=False)
    if settings.backend == "detectron2":
        from components.mask_rcnn.detectron2_backend import Detectron2Backend

        return Detectron2Backend(settings, classes, resolution, on, trained=trained)
    from components.mask_rcnn.torchvision_backend import TorchvisionBackend

    return TorchvisionBackend(settings, classes, resolution, on, trained=trained)


def load_backbone(body: nn.Module, path: Path, prefix: str = "") -> None:
    """Load pretrained weights into a feature extractor.

    Weights that the extractor has no place for, such as a classifier's last layer, are ignored.

    Args:
        body: The feature extractor.
        path: A safetensors file.
        prefix: What the names in the file have in front of the extractor's.

    Raises:
        ValueError: If the file is missing, or lacks one of the extractor's weights.
    """
    if not path.is_file():
        raise ValueError(f"mask_rcnn.weights: {path} is not a file; give a .safetensors file")
    found = {name.removeprefix(prefix): value for name, value in load_file(path).items()}
    wanted = body.state_dict()
    misfits = sorted(
        name
        for name, value in wanted.items()
        if not name.endswith("num_batches_tracked")
        and (name not in found or found[name].shape != value.shape)
    )
    if misfits:
        raise ValueError(
            f"mask_rcnn.weights: {path.name} does not fit this backbone: {len(misfits)} weights "
            f"are missing or of another shape, the first is {prefix}{misfits[0]}; "
            "take the file of the backbone that mask_rcnn.backbone names"
        )
    body.load_state_dict({name: found[name] for name in wanted if name in found}, strict=False)
