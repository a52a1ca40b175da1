"""A trained segmenter, loaded from its artifact."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from components.dataset import Image
from components.mask_rcnn.backend import Backend, Detection, build
from components.mask_rcnn.batches import stack
from components.mask_rcnn.settings import MaskRCNNSettings

WEIGHTS = "model.safetensors"
ABOUT = "model.json"


class Segmenter:
    """A segmenter ready to use.

    Attributes:
        classes: Names of the defect classes, in the order of the labels.
        resolution: Side of the pictures it takes, pixels.
        threshold: Score from which on a detection counts, chosen on the validation part.
    """

    def __init__(
        self, backend: Backend, classes: Sequence[str], resolution: int, threshold: float
    ) -> None:
        """Wrap a trained network."""
        self._backend = backend
        self.classes = tuple(classes)
        self.resolution = resolution
        self.threshold = threshold

    @classmethod
    def load(cls, path: Path) -> "Segmenter":
        """Load the artifact of `mask_rcnn` in `path`."""
        about = json.loads((path / ABOUT).read_text())
        settings = MaskRCNNSettings.model_validate(about["settings"])
        # All weights are in the artifact; the file that pretrained ones came from is not needed,
        # but its presence decided the kind of normalisation, so the setting stays.
        backend = build(settings, len(about["classes"]), about["resolution"], trained=True)
        backend.module.load_state_dict(load_file(path / WEIGHTS))
        return cls(backend, about["classes"], about["resolution"], about["threshold"])

    def detect(self, pictures: Sequence[Image], batch: int = 16) -> list[list[Detection]]:
        """Everything found in every picture, by descending score, below the threshold too.

        Args:
            pictures: RGB, each (resolution, resolution, 3).
            batch: Pictures computed at once.

        Raises:
            ValueError: If a picture has another size.
        """
        side = self.resolution
        found: list[list[Detection]] = []
        for start in range(0, len(pictures), batch):
            some = pictures[start : start + batch]
            for picture in some:
                if picture.shape != (side, side, 3):
                    raise ValueError(
                        f"the segmenter takes pictures of {(side, side, 3)}, got {picture.shape}; "
                        "scale it first"
                    )
            with torch.no_grad():
                found += self._backend.detect(stack(some))
        return found
