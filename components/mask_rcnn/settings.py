"""Settings of the segmenter."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from components.settings import Settings

Regime = Literal["real", "synthetic", "synthetic_then_real"]

REGIMES: tuple[Regime, ...] = ("real", "synthetic", "synthetic_then_real")
"""What a segmenter is trained on, in the order of the paper's table 1."""


EMBEDDED = "embedded"
"""Name of the start that the project ships for `torchvision`, `resnet18`, `small`."""


class MaskRCNNSettings(Settings):
    """Training of Mask R-CNN, the same for every regime."""

    PLACES: ClassVar[dict[str, str]] = {"weights": "digest"}

    backend: Literal["torchvision", "detectron2"] = "torchvision"
    """Library whose Mask R-CNN is trained."""

    backbone: Literal["mobilenet_v3", "resnet18", "resnet50"] = "resnet50"
    """Feature extractor, with a feature pyramid; `mobilenet_v3` is torchvision's alone."""

    size: Literal["small", "full"] = "full"
    """Heads and proposal counts: the library's own, or ones that a CPU can train."""

    weights: str = ""
    """`embedded`, the project's own start for the small `resnet18`, or a safetensors file with
    pretrained backbone weights; random ones when empty."""

    digest: str = ""
    """SHA-256 of that file, filled in when the run is prepared, so that a changed file is another
    start."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 3000
    """Optimiser steps of every regime; pre-training and fine-tuning together make as many."""

    pretrain_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the steps that `synthetic_then_real` spends on synthetic images where there are
    hardly any real ones; it falls the more of them there are (`regimes.synthetic_share`)."""

    batch: Annotated[int, Field(ge=1, le=256)] = 4
    """Images a step."""

    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 2e-4
    """Peak learning rate of AdamW; linear warm-up over a tenth, then a cosine to zero, in all
    regimes alike."""

    validations: Annotated[int, Field(ge=1, le=100)] = 4
    """How often the validation part is scored, evenly spread. The best of these states is kept."""

    bf16: bool = False
    """Compute in bfloat16 on a GPU; without meaning on a CPU."""

    checkpoint_every: Annotated[int, Field(ge=1)] = 50
    """Optimiser steps between two checkpoints."""

    @model_validator(mode="after")
    def _start_fits(self) -> "MaskRCNNSettings":
        made_for = {"backend": "torchvision", "backbone": "resnet18", "size": "small"}
        odd = [
            f"{name}={getattr(self, name)} (needs {value})"
            for name, value in made_for.items()
            if getattr(self, name) != value
        ]
        if self.weights == EMBEDDED and odd:
            raise ValueError(
                f"weights={EMBEDDED} does not fit {', '.join(odd)}; change these, or name a file "
                "of weights, or leave weights empty (mask_rcnn.weights=) for random ones"
            )
        return self
