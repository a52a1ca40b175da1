"""How much memory one task of a step may need at its peak, told before a run starts.

Weights count by what is kept of them: in training themselves, their gradient and AdamW's two
moments, 16 bytes in all; frozen, themselves. Activations follow from measured peaks, on a CPU in
float32: those of the quickstart, and of single steps of a model of Stable Diffusion 1.5's shape at
512 px. On a GPU, where nothing was measured, it is the GPU's, and bfloat16 is taken to halve them.
"""

from components.accelerator import gpus
from components.base_model.scale import STABLE_DIFFUSION, Scale, scale
from pipelines.config import Config

_TRAINED = 16
"""Bytes of a parameter in training."""

_PROCESS = 700_000_000
"""What Python, PyTorch and a dataset take."""

_FOUND = {"data_versioning": 300_000_000, "fid_evaluation": 1_100_000_000}
"""Peaks of steps that no network of the settings decides."""

_CONCEPT = {False: 2.1e9, True: 1.0e9}
_CONTROL = {False: 4.0e9, True: 1.9e9}
_DRAWN = 0.2e9
_DECODED = 1.3e9
"""Activations of an image of 64 x 64 latent cells with a UNet of Stable Diffusion's width, bytes:
learning the concept without and with gradient checkpointing, the condition likewise (with it by
the concept's share), drawing, decoding."""

_SEGMENTED = {"full": 0.62e9, "small": 3.4e9}
"""The same of Mask R-CNN for an image of 512 px, by its size; the small one sees small images."""

_SEGMENTERS = {"full": 44_000_000, "small": 4_000_000}
"""Parameters of Mask R-CNN."""


def memory(config: Config, base: Scale, *, accelerated: bool) -> dict[str, int]:
    """Bytes that a task of each step of the table may need, by the step's name.

    Args:
        config: The run's configuration.
        base: The base model's size.
        accelerated: Whether a GPU computes.
    """
    prior, concept, control = config.prior, config.dreambooth, config.hypernetwork
    drawing, segmenter = config.synthesis, config.mask_rcnn
    side = config.data_versioning.resolution
    cells = base.cells(side) / STABLE_DIFFUSION.cells(512)
    painted = cells * (base.unet / STABLE_DIFFUSION.unet) ** 0.5

    def bytes_of(bf16: bool) -> int:
        return 2 if accelerated and bf16 else 4

    def activations(each: float, images: int, bf16: bool) -> float:
        return each * images * bytes_of(bf16) / 4

    def sampling(guidance: float, images: int, bf16: bool) -> float:
        drawn = activations(_DRAWN * painted, images * (2 if guidance > 1 else 1), bf16)
        return drawn + _DECODED * painted

    frozen = base.beside * 4
    whole = concept.adaptation == "full"
    unlocked = base.unet - base.control if control.unlock else 0
    needs = {
        "prior": frozen + base.unet * bytes_of(prior.bf16)
        + sampling(prior.guidance, prior.batch, prior.bf16),
        "dreambooth": frozen + base.unet * (_trained(concept.ema) if whole else 4)
        + activations(
            _CONCEPT[concept.gradient_checkpointing] * painted,
            concept.batch * (2 if concept.prior_weight else 1),
            concept.bf16,
        ),
        "hypernetwork": frozen + base.unet * bytes_of(control.bf16 and not unlocked)
        + (base.control + unlocked) * _trained(control.ema) - unlocked * 4
        + activations(
            _CONTROL[control.gradient_checkpointing] * painted, control.batch, control.bf16
        ),
        "synthesis": frozen + (base.unet + base.control) * bytes_of(drawing.bf16)
        + sampling(drawing.guidance, drawing.batch, drawing.bf16),
        "mask_rcnn": _SEGMENTERS[segmenter.size] * _TRAINED
        + activations(
            _SEGMENTED[segmenter.size] * side**2 / 512**2, segmenter.batch, segmenter.bf16
        ),
    }  # fmt: skip
    steps = {*needs, *_FOUND, "base_model", "driver_extraction", "plan", "synthetic_set",
             "iou_evaluation", "report"}  # fmt: skip
    return {
        step: _FOUND.get(step) or round(_PROCESS + needs.get(step, 0)) for step in sorted(steps)
    }


def most(config: Config) -> int:
    """Bytes that the largest task of a run on this machine may need."""
    needs = memory(config, scale(config.base_model), accelerated=bool(gpus()))
    return max(needs.values())


def _trained(ema: float) -> int:
    return _TRAINED + (4 if ema else 0)
