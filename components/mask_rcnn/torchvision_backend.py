"""Mask R-CNN of torchvision: as published (`full`), or one that two CPU cores can train."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import mobilenet_v3_large, resnet
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from components.device import Device
from components.instances import Instance, box
from components.mask_rcnn.anchors import ASPECTS, anchor_sizes
from components.mask_rcnn.backend import (
    LEAST_SCORE,
    MOST_DETECTIONS,
    Backend,
    Detection,
    load_backbone,
)
from components.mask_rcnn.settings import EMBEDDED, MaskRCNNSettings
from components.mask_rcnn.start import load_start

FINE, FINE_CHANNELS = "fine", 32
"""Name and width of the level that the small network's masks are made from."""

MASK_CELLS = 56
"""Cells of the small network's masks along a box's side."""


class TorchvisionBackend(Backend):
    """torchvision's `MaskRCNN`, never with downloaded weights.

    Pretrained weights have the names of torchvision's classifiers (`conv1.weight`, ...,
    `features.0.0.weight`, ...).
    """

    def __init__(
        self,
        settings: MaskRCNNSettings,
        classes: int,
        resolution: int,
        on: Device,
        *,
        trained: bool = False,
    ) -> None:
        """Build the network; see `components.mask_rcnn.backend.build`."""
        small = settings.size == "small"
        backbone, levels = _backbone(settings, small, load=not trained)
        sizes = anchor_sizes(resolution, levels + 1)
        heads = (
            _small_heads(levels, backbone.out_channels, classes)
            if small
            else {"num_classes": classes + 1, "box_detections_per_img": MOST_DETECTIONS}
        )
        self.module = MaskRCNN(
            backbone,
            # Frames have the size that the network is made for: nothing is rescaled.
            min_size=resolution,
            max_size=resolution,
            rpn_anchor_generator=AnchorGenerator(
                tuple((size,) for size in sizes), (ASPECTS,) * len(sizes)
            ),
            box_score_thresh=LEAST_SCORE,
            **heads,
        )
        if small:
            self.module.rpn.register_forward_pre_hook(_without_fine)
        if settings.weights == EMBEDDED and not trained:
            load_start(self.module, classes)
        # Colours of a pixel side by side: detecting takes two thirds of the time on a CPU.
        self.module.to(on.device, memory_format=torch.channels_last)
        self.on = on

    def loss(self, images: Tensor, truth: Sequence[Sequence[Instance]]) -> Tensor:
        """The sum of the five losses; see `Backend`."""
        self.module.train()
        height, width = images.shape[-2:]
        targets = [_target(one, height, width, self.on.device) for one in truth]
        with self.on.autocast():
            losses = self.module(list(images.to(self.on.device)), targets)
        return torch.stack([one.float() for one in losses.values()]).sum()

    @torch.no_grad()
    def detect(self, images: Tensor) -> list[list[Detection]]:
        """Detections of every image; see `Backend`."""
        self.module.eval()
        with self.on.autocast():
            found = self.module(list(images.to(self.on.device)))
        return [_detections(one) for one in found]


class _Fine(nn.Module):
    """A feature pyramid with one more level of half the frame's size, for the masks alone.

    A crack is one to three pixels wide: in a pyramid whose finest cells are four pixels wide it
    has no outline. Regions are not proposed there, which would cost as much as all other levels.
    """

    def __init__(self, backbone: BackboneWithFPN, stem: int) -> None:
        """Widen a pyramid whose body also gives its stem, of so many channels, as `FINE`."""
        super().__init__()
        self.body, self.fpn = backbone.body, backbone.fpn
        self.out_channels = backbone.out_channels
        self.stem = nn.Conv2d(stem, FINE_CHANNELS, 1)
        self.inner = nn.Conv2d(self.out_channels, FINE_CHANNELS, 1)
        self.layer = nn.Conv2d(FINE_CHANNELS, FINE_CHANNELS, 3, padding=1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The levels by name, the finest (n, `FINE_CHANNELS`, side / 2, side / 2)."""
        levels = self.body(images)
        stem = levels.pop(FINE)
        pyramid: dict[str, Tensor] = self.fpn(levels)
        coarse = functional.interpolate(self.inner(pyramid["0"]), size=stem.shape[-2:])
        pyramid[FINE] = self.layer(functional.relu(self.stem(stem) + coarse))
        return pyramid


def _without_fine(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the proposals are made from: all levels but the finest."""
    images, levels, *targets = inputs
    return images, {name: one for name, one in levels.items() if name != FINE}, *targets


def _backbone(settings: MaskRCNNSettings, small: bool, *, load: bool) -> tuple[nn.Module, int]:
    """The feature extractor with its pyramid, and the number of resolutions it gives.

    Batch normalisation is trained from scratch, and frozen where the weights are pretrained.
    """
    norm: type[nn.Module] = FrozenBatchNorm2d if settings.weights else nn.BatchNorm2d
    if settings.backbone == "mobilenet_v3":
        body: Any = mobilenet_v3_large(weights=None, norm_layer=norm).features
        # The last block of every resolution, and its channels.
        ends = {"3": 24, "6": 40, "12": 112, "16": 960}
        stem, prefix = ("1", 16), "features."
    else:
        body = getattr(resnet, settings.backbone)(weights=None, norm_layer=norm)
        wide = body.inplanes // 8
        ends = {f"layer{number + 1}": wide * 2**number for number in range(4)}
        stem, prefix = ("relu", 64), ""
    # At 96 px the last resolution would be 3 x 3 pixels, and has most of the weights.
    kept = list(ends)[: 3 if small else 4]
    names = {name: str(number) for number, name in enumerate(kept)}
    backbone: Any = BackboneWithFPN(
        body,
        {stem[0]: FINE, **names} if small else names,
        [ends[name] for name in kept],
        64 if small else 256,
    )
    if small:
        backbone = _Fine(backbone, stem[1])
    if settings.weights not in ("", EMBEDDED) and load:
        load_backbone(backbone.body, Path(settings.weights), prefix)
    return backbone, len(kept)


def _small_heads(levels: int, channels: int, classes: int) -> dict[str, Any]:
    """Heads and counts with which a step at 96 px takes fractions of a second on two cores.

    What costs there is RoIAlign and the convolutions of the mask head, both in proportion to the
    regions sampled.
    """
    names = [str(level) for level in range(levels)]
    # One sample a bin: the regions are smaller than the bins are many. The level is chosen by the
    # published rule (224 px at stride 16) and not in proportion to the frame: from a coarser
    # level, where a crack has 3 cells, it is lost.
    return {
        "box_roi_pool": MultiScaleRoIAlign(names, 7, 1),
        "box_head": TwoMLPHead(channels * 7 * 7, 256),
        "box_predictor": FastRCNNPredictor(256, classes + 1),
        "mask_roi_pool": MultiScaleRoIAlign([FINE], MASK_CELLS // 2, 1),
        "mask_head": MaskRCNNHeads(FINE_CHANNELS, (FINE_CHANNELS, FINE_CHANNELS), 1),
        "mask_predictor": MaskRCNNPredictor(FINE_CHANNELS, FINE_CHANNELS, classes + 1),
        "rpn_pre_nms_top_n_train": 200,
        "rpn_pre_nms_top_n_test": 200,
        "rpn_post_nms_top_n_train": 100,
        "rpn_post_nms_top_n_test": 50,
        # Anchors are few and defects small: at the usual 0.7 hardly one would be a positive.
        "rpn_fg_iou_thresh": 0.5,
        "rpn_batch_size_per_image": 128,
        "box_batch_size_per_image": 32,
        "box_detections_per_img": 20,
    }


def _target(
    instances: Sequence[Instance], height: int, width: int, device: torch.device
) -> dict[str, Tensor]:
    masks = np.zeros((len(instances), height, width), np.uint8)
    boxes = np.zeros((len(instances), 4), np.float32)
    for number, instance in enumerate(instances):
        x, y, w, h = box(instance.mask)
        masks[number] = instance.mask
        boxes[number] = (x, y, x + w, y + h)
    labels = torch.tensor([instance.label + 1 for instance in instances], dtype=torch.int64)
    return {
        "boxes": torch.from_numpy(boxes).to(device),
        "labels": labels.to(device),
        "masks": torch.from_numpy(masks).to(device),
    }


def _detections(found: dict[str, Tensor]) -> list[Detection]:
    return [
        Detection(label - 1, round(score, 6), mask, (x1, y1, x2 - x1, y2 - y1))
        for label, score, mask, (x1, y1, x2, y2) in zip(
            found["labels"].tolist(),
            found["scores"].float().tolist(),
            (found["masks"][:, 0] >= 0.5).cpu().numpy(),
            found["boxes"].float().tolist(),
            strict=True,
        )
    ]
