"""Fresh samples of a model that has just been trained, for people."""

from collections.abc import Sequence

from diffusers import ControlNetModel

from components.dataset import Image
from components.valvano.parts import Parts
from components.valvano.sampler import Request, Sampler, ddim

STEPS = 25
"""Denoising steps of a preview."""


def draw_preview(
    parts: Parts,
    requests: Sequence[Request],
    resolution: int,
    control: ControlNetModel | None = None,
) -> list[Image]:
    """Draw one image a request with DDIM and without guidance.

    Args:
        parts: The model, all of it in the precision of its frozen parts.
        requests: What to draw.
        resolution: Side of the images, pixels.
        control: The hypernetwork, where the requests have drivers.
    """
    sampler = Sampler(
        parts,
        ddim(parts.scheduler.config),
        resolution=resolution,
        steps=STEPS,
        guidance=1.0,
        batch=len(requests),
        control=control,
    )
    drawn: dict[int, Image] = {}
    sampler.draw_all(range(len(requests)), requests.__getitem__, drawn.__setitem__, "preview")
    return [drawn[number] for number in range(len(requests))]
