"""Mask R-CNN of detectron2: R50-FPN as in its model zoo, behind the same interface."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
from components.mask_rcnn.settings import MaskRCNNSettings

_LEVELS = 5


class Detectron2Backend(Backend):
    """detectron2's `GeneralizedRCNN` with `StandardROIHeads`, never with downloaded weights.

    Pretrained weights have the names of detectron2's ResNet (`stem.conv1.weight`, ...).
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
        """Build the network; see `components.mask_rcnn.backend.build`.

        Raises:
            ValueError: If detectron2 is not installed, or has no such backbone.
        """
        config = configure(settings, classes, resolution, on.device.type)
        from detectron2.modeling import build_model

        self.module = build_model(config)
        self.on = on
        if settings.weights and not trained:
            load_backbone(self.module.backbone.bottom_up, Path(settings.weights))

    def loss(self, images: Tensor, truth: Sequence[Sequence[Instance]]) -> Tensor:
        """The sum of the five losses; see `Backend`."""
        from detectron2.utils.events import EventStorage

        self.module.train()
        batch = [
            {**one, "instances": _target(instances, one["height"], one["width"])}
            for one, instances in zip(_inputs(images), truth, strict=True)
        ]
        # detectron2 writes statistics of its proposals to a storage, which it insists on.
        with EventStorage(), self.on.autocast():
            losses = self.module(batch)
        return torch.stack([one.float() for one in losses.values()]).sum()

    @torch.no_grad()
    def detect(self, images: Tensor) -> list[list[Detection]]:
        """Detections of every image; see `Backend`."""
        self.module.eval()
        with self.on.autocast():
            found = self.module(_inputs(images))
        return [_detections(one["instances"].to("cpu")) for one in found]


def configure(settings: MaskRCNNSettings, classes: int, resolution: int, device: str) -> Any:
    """detectron2's configuration for the settings.

    Its values are those of `Base-RCNN-FPN.yaml`, but for the anchors, which follow the
    resolution, and for the feature extractor's normalisation, which is trained unless its weights
    are pretrained.

    Args:
        settings: The step's settings.
        classes: Number of defect classes.
        resolution: Side of the frames, pixels.
        device: `cpu` or `cuda`.

    Raises:
        ValueError: If detectron2 is not installed, or has no such backbone.
    """
    if settings.backbone == "mobilenet_v3":
        raise ValueError(
            "detectron2 has no mobilenet_v3; set mask_rcnn.backbone to resnet18 or resnet50, or "
            "mask_rcnn.backend to torchvision"
        )
    try:
        from detectron2.config import get_cfg
    except ImportError as error:
        raise ValueError(
            f"mask_rcnn.backend is detectron2, which cannot be imported ({error}); it is not on "
            "the package index: pip install 'setuptools<80' wheel, then pip install "
            "--no-build-isolation git+https://github.com/facebookresearch/detectron2, or set "
            "mask_rcnn.backend to torchvision"
        ) from error
    config = get_cfg()
    model = config.MODEL
    model.DEVICE = device
    model.WEIGHTS = ""
    model.MASK_ON = True
    model.META_ARCHITECTURE = "GeneralizedRCNN"
    # Pictures come as RGB, 0 .. 255; these are ImageNet's statistics.
    config.INPUT.FORMAT = "RGB"
    config.INPUT.MASK_FORMAT = "bitmask"
    model.PIXEL_MEAN = [123.675, 116.28, 103.53]
    model.PIXEL_STD = [58.395, 57.12, 57.375]

    model.BACKBONE.NAME = "build_resnet_fpn_backbone"
    model.BACKBONE.FREEZE_AT = 2 if settings.weights else 0
    model.RESNETS.DEPTH = 18 if settings.backbone == "resnet18" else 50
    model.RESNETS.RES2_OUT_CHANNELS = 64 if settings.backbone == "resnet18" else 256
    model.RESNETS.NORM = "FrozenBN" if settings.weights else "BN"
    model.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    model.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]

    model.ANCHOR_GENERATOR.SIZES = [[size] for size in anchor_sizes(resolution, _LEVELS)]
    model.ANCHOR_GENERATOR.ASPECT_RATIOS = [list(ASPECTS)]
    model.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
    model.RPN.PRE_NMS_TOPK_TRAIN = 2000
    model.RPN.PRE_NMS_TOPK_TEST = 1000
    model.RPN.POST_NMS_TOPK_TRAIN = 1000
    model.RPN.POST_NMS_TOPK_TEST = 1000

    model.ROI_HEADS.NAME = "StandardROIHeads"
    model.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    model.ROI_HEADS.NUM_CLASSES = classes
    model.ROI_HEADS.SCORE_THRESH_TEST = LEAST_SCORE
    config.TEST.DETECTIONS_PER_IMAGE = MOST_DETECTIONS
    model.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    model.ROI_BOX_HEAD.NUM_FC = 2
    model.ROI_BOX_HEAD.POOLER_RESOLUTION = 7
    model.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
    model.ROI_MASK_HEAD.NUM_CONV = 4
    model.ROI_MASK_HEAD.POOLER_RESOLUTION = 14
    if settings.size == "small":
        _shrink(config)
    return config


def _shrink(config: Any) -> None:
    model = config.MODEL
    model.FPN.OUT_CHANNELS = 64
    model.RPN.PRE_NMS_TOPK_TRAIN = model.RPN.PRE_NMS_TOPK_TEST = 200
    model.RPN.POST_NMS_TOPK_TRAIN, model.RPN.POST_NMS_TOPK_TEST = 100, 50
    model.RPN.BATCH_SIZE_PER_IMAGE = 128
    model.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 32
    model.ROI_BOX_HEAD.FC_DIM = 256
    model.ROI_MASK_HEAD.NUM_CONV, model.ROI_MASK_HEAD.CONV_DIM = 2, 64
    config.TEST.DETECTIONS_PER_IMAGE = 20


def _inputs(images: Tensor) -> list[dict[str, Any]]:
    height, width = images.shape[-2:]
    return [{"image": one * 255, "height": height, "width": width} for one in images]


def _target(instances: Sequence[Instance], height: int, width: int) -> Any:
    """detectron2's `Instances` of one image."""
    from detectron2.structures import BitMasks, Boxes, Instances

    masks = np.zeros((len(instances), height, width), bool)
    boxes = np.zeros((len(instances), 4), np.float32)
    for number, instance in enumerate(instances):
        x, y, w, h = box(instance.mask)
        masks[number] = instance.mask
        boxes[number] = (x, y, x + w, y + h)
    target = Instances((height, width))
    target.gt_boxes = Boxes(torch.from_numpy(boxes))
    target.gt_classes = torch.tensor([one.label for one in instances], dtype=torch.int64)
    target.gt_masks = BitMasks(torch.from_numpy(masks))
    return target


def _detections(found: Any) -> list[Detection]:
    return [
        Detection(label, round(score, 6), mask, (x1, y1, x2 - x1, y2 - y1))
        for label, score, mask, (x1, y1, x2, y2) in zip(
            found.pred_classes.tolist(),
            found.scores.tolist(),
            found.pred_masks.numpy(),
            found.pred_boxes.tensor.tolist(),
            strict=True,
        )
    ]
