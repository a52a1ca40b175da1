"""Networks with the interface and the shape of clean-fid's, and random weights."""

from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from components.fid_evaluation.weights import TORCHSCRIPT


class Archive(nn.Module):
    """What `inception-2015-12-05.pt` offers: `layers`, and a forward that resizes inside."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor, return_features: bool = False) -> Tensor:
        resized = nn.functional.interpolate(
            x, size=[299, 299], mode="bilinear", align_corners=False
        )
        features = self.layers((resized - 128) / 128).reshape(x.shape[0], 2048)
        if return_features:
            return features
        return features.softmax(1)


def small_layers() -> nn.Sequential:
    """A first pooling layer of 64 maps at 73 px, as in Inception, and a short rest."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 64, 3, padding=1),
        nn.MaxPool2d(3, 2), nn.ReLU(), nn.Conv2d(64, 2048, 3, 8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
    )  # fmt: skip


def whole_layers() -> nn.Sequential:
    """Inception v3 of torchvision, layer by layer in the archive's order."""
    net = torchvision.models.inception_v3(
        weights=None, aux_logits=False, init_weights=False, transform_input=False
    )
    names = [
        "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1",
        "Conv2d_4a_3x3", "maxpool2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b",
        "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c", "avgpool",
    ]  # fmt: skip
    return nn.Sequential(*(getattr(net, name) for name in names))


def write_archive(folder: Path, layers: nn.Sequential, name: str = TORCHSCRIPT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    torch.jit.script(Archive(layers).eval()).save(str(path))
    return path
