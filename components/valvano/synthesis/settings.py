"""Settings of the synthesis: its plan and its sampler."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings import Settings


class PlanSettings(Settings):
    """Which images are made: defect-free photos, masks, and how both are varied."""

    images: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Number of synthetic images for every fraction."""

    samples: Annotated[int, Field(ge=1, le=15)] = 15
    """Images drawn from one driver with different seeds; the paper's limit is 15."""

    together: Annotated[int, Field(ge=1, le=20)] = 1
    """Drivers that share one version of a defect-free photo, their masks apart from each other. The
    segmenter sees the defects of such images together; `synthesis.background=photo` is needed, for
    images that are drawn whole have nothing in common."""

    augmentations: Annotated[int, Field(ge=1, le=10)] = 10
    """Augmented versions of one defect-free frame; the paper makes 10."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 20.0
    """Largest rotation of a mask, degrees."""

    scaling: Annotated[float, Field(ge=1, le=2)] = 1.2
    """Largest factor by which a mask grows or shrinks."""

    warp: Annotated[float, Field(ge=0, le=0.1)] = 0.015
    """Amplitude of the smooth random displacement of a mask, as a share of the frame's side."""

    photo_rotation: Annotated[float, Field(ge=0, le=180)] = 8.0
    """Largest rotation of a defect-free photo, degrees."""

    photo_zoom: Annotated[float, Field(ge=1, le=3)] = 1.25
    """Largest zoom into a defect-free photo, which crops it."""

    photo_flips: bool = True
    """Whether defect-free photos are mirrored left to right."""


class SetSettings(Settings):
    """Which of the drawn images make the set."""

    reject: bool = False
    """Leave out images whose mask shows no more than the same mask on defect-free photos does
    (`components.contrast`). The paper keeps all; a small model misses more often."""

    margin: Annotated[float, Field(ge=1, le=10)] = 1.0
    """With `reject` a mask must show more even if what it shows were so many times fainter. At 1
    all that can be told from chance is kept; above, what a segmenter would hardly see is left out
    too."""

    fewest: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of images below which nothing is left out, because so few say that the generator
    failed and not that some images did."""


class SynthesisSettings(Settings):
    """How a planned image is drawn."""

    background: Literal["drawn", "photo"] = "drawn"
    """`drawn`: the whole image is, as in the paper. `photo`: only the defect and a rim around it
    are, and the rest is the defect-free photo that gave the driver."""

    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the noise levels that the drawing goes through. At 1 it begins with noise, as in the
    paper; below, with the mask's own real defect laid on the photo, the less changed the lower it
    is; 0 is that picture itself. Below 1 `background=photo` is needed."""

    steps: Annotated[int, Field(ge=1, le=1000)] = 30
    """Denoising steps an image, of which that share is done."""

    guidance: Annotated[float, Field(ge=1, le=30)] = 5.0
    """Scale of classifier-free guidance; 1 is none."""

    conditioning: Annotated[float, Field(ge=0, le=5)] = 1.0
    """Scale of the hypernetwork's residuals; above 1 defects show more strongly than learnt."""

    batch: Annotated[int, Field(ge=1, le=256)] = 8
    """Images drawn at once; the last batch is filled up, so that every image is computed in the
    same shape whatever its company."""

    bf16: bool = False
    """Compute in bfloat16 on a GPU; without meaning on a CPU."""

    @property
    def done(self) -> int:
        """Denoising steps that are done."""
        return round(self.steps * self.strength)

    @model_validator(mode="after")
    def _can_be_drawn(self) -> "SynthesisSettings":
        if self.strength < 1 and self.background != "photo":
            raise ValueError(
                f"strength={self.strength:g} begins with a defect laid on a photo, which "
                f"background={self.background} does not keep; set background=photo, or strength=1"
            )
        if self.strength and not self.done:
            raise ValueError(
                f"strength={self.strength:g} of {self.steps} steps is none; set strength to "
                f"{1 / self.steps:g} or more, or to 0 for the laid defect itself"
            )
        return self
