"""Mask R-CNN of torchvision: as published (`full`), or one that two CPU cores can train."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_large, resnet
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from components.instances import Instance, box
from components.mask_rcnn.backend import (
    LEAST_SCORE,
    MOST_DETECTIONS,
    Backend,
    Detection,
    load_backbone,
)
from components.mask_rcnn.settings import MaskRCNNSettings

ASPECTS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Height over width of the anchors; cracks are long and thin."""

import os, json
X = json.loads(os.environ.get("X", "{}"))


class TorchvisionBackend(Backend):
    """torchvision's `MaskRCNN`, never with downloaded weights."""

    def __init__(
        self, settings: MaskRCNNSettings, classes: int, resolution: int, device: torch.device
    ) -> None:
        """Build the network; see `components.mask_rcnn.backend.build`."""
        small = settings.size == "small"
        backbone = _backbone(settings, small)
        anchors = _anchors(resolution, len(backbone.fpn.inner_blocks) + 1)
        heads = _small_heads(backbone.out_channels, classes, X.get("levels",3)) if small else {"num_classes": classes + 1}
        if not small:
            heads["box_roi_pool"] = None
        self.module = MaskRCNN(
            backbone,
            # The frames have the size that the network is made for already.
            min_size=resolution,
            max_size=resolution,
            rpn_anchor_generator=anchors,
            box_score_thresh=LEAST_SCORE,
            box_detections_per_img=MOST_DETECTIONS,
            **heads,
        ).to(device)
        self.device = device
        self._bf16 = settings.bf16 and device.type == "cuda"

    def loss(self, images: Tensor, truth: Sequence[Sequence[Instance]]) -> Tensor:
        self.module.train()
        with self._precision():
            losses = self.module(
                list(images.to(self.device)), [self._target(one, images) for one in truth]
            )
        self.last = {k: float(v) for k, v in losses.items()}
        return sum(losses.values(), torch.zeros((), device=self.device))

    @torch.no_grad()
    def detect(self, images: Tensor) -> list[list[Detection]]:
        self.module.eval()
        with self._precision():
            found = self.module(list(images.to(self.device)))
        return [_detections(one) for one in found]

    def _precision(self) -> Any:
        return torch.autocast("cuda", torch.bfloat16) if self._bf16 else nullcontext()

    def _target(self, instances: Sequence[Instance], images: Tensor) -> dict[str, Tensor]:
        height, width = images.shape[-2:]
        masks = np.zeros((len(instances), height, width), np.uint8)
        boxes = np.zeros((len(instances), 4), np.float32)
        for number, instance in enumerate(instances):
            x, y, w, h = box(instance.mask)
            masks[number] = instance.mask
            boxes[number] = (x, y, x + w, y + h)
        labels = torch.tensor([instance.label + 1 for instance in instances], dtype=torch.int64)
        return {
            "boxes": torch.from_numpy(boxes).to(self.device),
            "labels": labels.to(self.device),
            "masks": torch.from_numpy(masks).to(self.device),
        }


def _detections(found: dict[str, Tensor]) -> list[Detection]:
    masks = (found["masks"][:, 0] >= 0.5).cpu().numpy()
    return [
        Detection(label - 1, round(score, 6), mask, (x1, y1, x2 - x1, y2 - y1))
        for label, score, mask, (x1, y1, x2, y2) in zip(
            found["labels"].tolist(),
            found["scores"].tolist(),
            masks,
            found["boxes"].float().tolist(),
            strict=True,
        )
    ]

def _norm(c):
    return nn.GroupNorm(X.get("groups", 8), c)

def _backbone(settings: MaskRCNNSettings, small: bool) -> BackboneWithFPN:
    norm: Any = FrozenBatchNorm2d if settings.weights else nn.BatchNorm2d
    if X.get("norm") == "gn": norm = _norm
    if settings.backbone == "mobilenet_v3":
        body: Any = mobilenet_v3_large(weights=None, norm_layer=norm).features
        # The last block of every resolution.
        ends = {"3": 24, "6": 40, "12": 112, "16": 960}
        prefix = "features."
    else:
        body = getattr(resnet, settings.backbone)(weights=None, norm_layer=norm)
        wide = body.inplanes // 8
        ends = {f"layer{number + 1}": wide * 2**number for number in range(4)}
        prefix = ""
    kept = list(ends)[: X.get("levels", 3) if small else 4]
    backbone = BackboneWithFPN(
        body,
        {name: str(number) for number, name in enumerate(kept)},
        [ends[name] for name in kept],
        X.get("fpn", 64) if small else 256,
        norm_layer=norm if X.get("fpnnorm") else None,
    )
    if settings.weights:
        load_backbone(backbone.body, Path(settings.weights), prefix)
    return backbone


def _anchors(resolution: int, levels: int) -> AnchorGenerator:
    sizes = tuple((resolution * 2**level / 12,) for level in range(levels))
    if X.get("sizes"): sizes = tuple(map(tuple, X["sizes"]))
    return AnchorGenerator(sizes, (tuple(X.get("aspects", ASPECTS)),) * levels)


def _small_heads(channels: int, classes: int, levels: int) -> dict[str, Any]:
    names = [str(i) for i in range(levels)]
    rep = X.get("rep", 256)
    mc = X.get("mask", [64, 64])
    return {
        "box_roi_pool": MultiScaleRoIAlign(names, X.get("boxroi", 7), 2, canonical_scale=X.get("canon",48), canonical_level=4 if X.get("canon") else 4),
        "box_head": TwoMLPHead(channels * X.get("boxroi", 7)**2, rep),
        "box_predictor": FastRCNNPredictor(rep, classes + 1),
        "mask_roi_pool": MultiScaleRoIAlign(names, 14, 2, canonical_scale=X.get("canon",48), canonical_level=4),
        "mask_head": MaskRCNNHeads(channels, tuple(mc), 1),
        "mask_predictor": MaskRCNNPredictor(mc[-1], 64, classes + 1),
        "rpn_pre_nms_top_n_train": X.get("pre", 200),
        "rpn_pre_nms_top_n_test": 200,
        "rpn_post_nms_top_n_train": X.get("post", 100),
        "rpn_post_nms_top_n_test": X.get("posttest", 50),
        "rpn_fg_iou_thresh": X.get("fg", 0.5),
        "rpn_bg_iou_thresh": 0.3,
        "rpn_batch_size_per_image": X.get("rpnb", 128),
        "box_batch_size_per_image": X.get("boxb", 64),
        "box_nms_thresh": X.get("nms", 0.5),
        "box_fg_iou_thresh": X.get("boxfg", 0.5), "box_bg_iou_thresh": X.get("boxfg", 0.5),
    }
