"""The class images of prior preservation (Valvano et al. 2024, section 3.1).

The untouched base model draws what it understands by the class noun, with the sampler it was
published with. Phase 1 trains on them beside the photos, so that the model keeps its idea of the
class while it learns the concept.
"""

from pathlib import Path

from components.dataset import Image, read_image, write_image
from components.device import choose
from components.outcome import Outcome
from components.pictures import grid
from components.valvano import prompts
from components.valvano.dreambooth.settings import PriorSettings
from components.valvano.parts import load
from components.valvano.sampler import Request, Sampler

PREVIEW = 16
"""Images in the preview."""


def draw_prior(
    out: Path, settings: PriorSettings, base: Path, noun: str, resolution: int, seed: int
) -> Outcome:
    """Draw `images/00000.png` and so on; those that are there already are kept.

    Args:
        out: The step's folder.
        settings: Number of images and how to sample.
        base: The base model.
        noun: Class noun of the domain.
        resolution: Side of the images, pixels.
        seed: Seed; image number n has noise of its own, whatever is drawn beside it.
    """
    parts = load(base, choose(settings.bf16))
    prompt = prompts.prior(noun)
    sampler = Sampler(
        parts,
        parts.scheduler,
        resolution=resolution,
        steps=settings.steps,
        guidance=settings.guidance,
        batch=settings.batch,
    )
    folder = out / "images"
    folder.mkdir(exist_ok=True)

    def path(number: int) -> Path:
        return folder / f"{number:05d}.png"

    def keep(number: int, image: Image) -> None:
        write_image(path(number), image)

    missing = [number for number in range(settings.images) if not path(number).is_file()]
    sampler.draw_all(
        missing,
        lambda number: Request(prompt, (seed << 32) + number),
        keep,
        "class images",
        done=settings.images - len(missing),
    )
    (out / "preview").mkdir(exist_ok=True)
    shown = [read_image(path(number)) for number in range(min(PREVIEW, settings.images))]
    write_image(out / "preview" / "samples.png", grid(shown, 4))
    unknown = parts.unknown(noun.split())
    return Outcome(
        metrics={"images": settings.images},
        warnings=[
            f"The base model's vocabulary lacks {', '.join(unknown)} of the class noun {noun!r}"
        ]
        if unknown
        else [],
    )
