"""The configuration of a whole run: every step's settings and what the steps share."""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from components.base_model.settings import EMBEDDED, BaseModelSettings
from components.data_versioning.settings import DataSettings
from components.fid_evaluation.settings import FIDSettings
from components.iou_evaluation.settings import IoUSettings
from components.mask_rcnn.settings import MaskRCNNSettings
from components.report.settings import ReportSettings
from components.settings import Settings
from components.valvano.dreambooth.settings import DreamBoothSettings, PriorSettings
from components.valvano.driver_extraction.settings import DriverSettings
from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.synthesis.settings import PlanSettings, SetSettings, SynthesisSettings

Fraction = Annotated[float, Field(gt=0, le=1)]

OWN_COPY = "hypernetwork.start=copy"
"""The change that comes with a base model other than the embedded one."""


class RunSettings(Settings):
    """What all steps share."""

    fractions: tuple[Fraction, ...] = (0.01, 0.1, 1.0)
    """Fractions of the real annotated photos; each has its own generator and segmenters."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of splits, trainings, plan and bootstrap."""

    repeats: Annotated[int, Field(ge=1, le=20)] = 1
    """Segmenters trained with different seeds for every fraction and regime."""

    shards: Annotated[int, Field(ge=1, le=1000)] = 2
    """Parts of the synthesis that may run side by side."""

    token: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,32}$")] = "sks"
    """Rare word that names the concept, the paper's [V]."""

    noun: Annotated[str, Field(pattern=r"^[A-Za-z0-9 -]{1,64}$")] = "surface"
    """Class noun of the domain for prior preservation."""

    @field_validator("fractions")
    @classmethod
    def _ascending(cls, fractions: tuple[float, ...]) -> tuple[float, ...]:
        if not fractions or list(fractions) != sorted(set(fractions)):
            raise ValueError("fractions must be ascending, each once, and at least one")
        return fractions


class Config(Settings):
    """A whole run. Fields are named as the steps are; `--set step.field=value` changes one."""

    run: RunSettings = RunSettings()
    data_versioning: DataSettings = DataSettings()
    base_model: BaseModelSettings = BaseModelSettings()
    driver_extraction: DriverSettings = DriverSettings()
    prior: PriorSettings = PriorSettings()
    dreambooth: DreamBoothSettings = DreamBoothSettings()
    hypernetwork: HyperNetworkSettings = HyperNetworkSettings()
    plan: PlanSettings = PlanSettings()
    synthesis: SynthesisSettings = SynthesisSettings()
    synthetic_set: SetSettings = SetSettings()
    mask_rcnn: MaskRCNNSettings = MaskRCNNSettings()
    iou_evaluation: IoUSettings = IoUSettings()
    fid_evaluation: FIDSettings = FIDSettings()
    report: ReportSettings = ReportSettings()

    @model_validator(mode="after")
    def _shards_have_work(self) -> "Config":
        if self.run.shards > self.plan.images:
            raise ValueError(
                f"run.shards={self.run.shards} is more than plan.images={self.plan.images}; "
                "every shard needs an image"
            )
        return self

    @model_validator(mode="after")
    def _what_is_shown_together_has_a_ground(self) -> "Config":
        if self.plan.together > 1 and self.synthesis.background != "photo":
            raise ValueError(
                f"plan.together={self.plan.together} shows images of one photo as one, but "
                f"synthesis.background={self.synthesis.background} keeps nothing of it; set "
                "synthesis.background=photo, or plan.together=1"
            )
        return self

    @model_validator(mode="after")
    def _what_is_drawn_was_learnt(self) -> "Config":
        if self.hypernetwork.strength < self.synthesis.strength:
            raise ValueError(
                f"synthesis.strength={self.synthesis.strength:g} goes through noise levels that "
                f"hypernetwork.strength={self.hypernetwork.strength:g} hardly learns; set "
                f"hypernetwork.strength to {self.synthesis.strength:g} or more"
            )
        return self

    @model_validator(mode="after")
    def _start_is_of_this_base_model(self) -> "Config":
        if self.hypernetwork.start == EMBEDDED != self.base_model.source:
            raise ValueError(
                f"hypernetwork.start={EMBEDDED} is that of the embedded base model, "
                f"base_model.source is {self.base_model.source!r}; set {OWN_COPY}"
            )
        return self
