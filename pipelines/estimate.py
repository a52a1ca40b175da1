"""What a run will do, how long it may take and what it may need, told before it starts.

Time is work times rate, where tasks of one step compute side by side in as many lanes as the
machine has (pipelines/machine.py). Work follows from the settings: images, or images times steps,
times the area of an image, and how much slower networks are than the small ones of the quickstart.
Rates come from the records of steps that this store has finished, and
otherwise from one measured run of the quickstart on two CPU cores; the table says which.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.base_model.scale import TINY, Scale, scale
from components.base_model.settings import BaseModelSettings
from components.data_versioning.settings import DataSettings
from components.fraction import percent
from components.mask_rcnn.settings import REGIMES
from components.store import RECORD
from components.valvano.dreambooth.settings import DECODER_BATCH
from pipelines.config import Config
from pipelines.memory import memory

_START_UP = 0.5
"""Seconds that KFP and Python take for a task beside its step."""

_BESIDE = 3
"""Denoising steps that take as long as what else an image needs: its codes, its file."""

SECONDS_PER_WORK = {
    "data_versioning": 0.011,
    "driver_extraction": 0.008,
    "prior": 0.0115,
    "dreambooth": 0.035,
    "hypernetwork": 0.06,
    "plan": 0.0053,
    "synthesis": 0.017,
    "synthetic_set": 0.0085,
    "mask_rcnn": 0.109,
    "iou_evaluation": 0.039,
    "fid_evaluation": 0.069,
    "report": 0.0,
    "base_model": 0.0,
}
"""Seconds for one unit of work at 96 px on one of two CPU cores, with the tiny base model."""

_REFERENCE_AREA = 96 * 96

_REFERENCE_CELLS = TINY.cells(96)

_GROWTH = 0.95
"""Power of a UNet's parameters that its time for a latent cell grows with: training a model of
Stable Diffusion 1.5's shape, 350 times as large, took 240 to 360 times as long for each cell."""

_FULL = 4.0
"""Times that a segmenter of full size takes for what the small one does, measured on a CPU."""


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        step: Name of the step.
        what: What it will do, for people.
        tasks: How many tasks of the DAG it is.
        work: Work of all its tasks, units of the step.
        seconds: Estimated time, with tasks side by side; None where no rate is known for this
            machine.
        memory: Peak of one of its tasks, bytes; on the GPU where one computes it.
        bytes: Estimated disk.
    """

    step: str
    what: str
    tasks: int
    work: float
    seconds: float | None
    memory: int
    bytes: int


def estimate(
    config: Config, photos: int, store: Path, lanes: int, accelerated: bool
) -> tuple[list[Line], str]:
    """The table of a run, and a sentence that says where its times come from.

    Args:
        config: The run's configuration.
        photos: Number of photos.
        store: The store, for the rates of earlier runs.
        lanes: How many steps compute at once.
        accelerated: Whether a GPU will compute; the built-in rates then do not hold.
    """
    rates = _measured(store)
    known = bool(rates)
    lines = []
    base = scale(config.base_model)
    needs = memory(config, base, accelerated=accelerated)
    for step, what, tasks, work, size in _work(config, photos, base):
        rate = rates.get(step, None if accelerated else SECONDS_PER_WORK[step])
        rounds = math.ceil(tasks / lanes)
        one = _START_UP + work / tasks * (rate or 0.0)
        seconds = None if rate is None and work else rounds * one
        lines.append(Line(step, what, tasks, work, seconds, needs[step], size))
    if known:
        return lines, "times from steps that this store has finished"
    if accelerated:
        return lines, "times are not known until a first run has been measured on this machine"
    return lines, "times from a measured run on two CPU cores"


def work_of(step: str, settings: dict[str, object], resolution: int, base: Scale = TINY) -> float:
    """Units of work of one finished task, from its record; 0 where it cannot be told."""

    def number(name: str) -> float:
        value = settings.get(name, 0)
        return float(value) if isinstance(value, int | float) else 0.0

    area = resolution**2 / _REFERENCE_AREA
    drawn = _painted(base, resolution)
    if step == "dreambooth":
        decoded = number("decoder_steps") * DECODER_BATCH
        return (number("steps") * 2 * number("batch") + decoded) * drawn
    if step == "hypernetwork":
        return number("steps") * number("batch") * drawn
    if step == "mask_rcnn":
        full = _FULL if settings.get("size") == "full" else 1
        return number("steps") * number("batch") * area * full
    if step == "prior":
        return number("steps") * number("images") * _passes(number("guidance")) * drawn
    return 0.0


def _passes(guidance: float) -> int:
    """How often a UNet computes a denoising step: guided, with the prompt and without."""
    return 2 if guidance > 1 else 1


def _painted(base: Scale, resolution: int) -> float:
    """Work of a UNet for one image, in that of the embedded one at 96 px."""
    cells = base.cells(resolution) / _REFERENCE_CELLS
    return float(cells * (base.unet / TINY.unet) ** _GROWTH)


def _work(config: Config, photos: int, base: Scale) -> Iterator[tuple[str, str, int, float, int]]:
    side = config.data_versioning.resolution
    area = side**2 / _REFERENCE_AREA
    painted = _painted(base, side)
    picture = int(side**2 * 1.6)
    fractions = len(config.run.fractions)
    drawn = fractions * config.plan.images
    named = ", ".join(percent(fraction) for fraction in config.run.fractions)
    prior, concept, control = config.prior, config.dreambooth, config.hypernetwork
    learnt = concept.steps * 2 * concept.batch + concept.decoder_steps * DECODER_BATCH
    networks = fractions * len(REGIMES) * config.run.repeats
    segmenter = config.mask_rcnn
    full = _FULL if segmenter.size == "full" else 1
    # Results in float32; a training's checkpoint, its weights and two moments, while it runs.
    model, copied = 4 * (base.unet + base.beside), 4 * base.control
    unlocked = 4 * base.unet if control.unlock else 0
    yield (
        "data_versioning", f"{photos} photos into frames of {side} px", 1, photos,
        photos * (picture * 2 + 100_000),
    )  # fmt: skip
    yield "base_model", config.base_model.source, 1, 0, base.size
    yield "driver_extraction", "drivers of the annotated frames", 1, photos / 4, photos * picture
    yield (
        "prior", f"{prior.images} class images, {prior.steps} steps each", 1,
        prior.images * prior.steps * _passes(prior.guidance) * painted, prior.images * picture,
    )  # fmt: skip
    yield (
        "dreambooth", f"{concept.steps} steps for each of {named}", fractions,
        fractions * learnt * painted, fractions * model + 12 * base.unet,
    )  # fmt: skip
    yield (
        "hypernetwork", f"{control.steps} steps for each of {named}", fractions,
        fractions * control.steps * control.batch * painted,
        fractions * (copied + unlocked) + 3 * (copied + unlocked),
    )  # fmt: skip
    yield "plan", f"{config.plan.images} images for each of {named}", fractions, drawn, 0
    computed = config.synthesis.done * _passes(config.synthesis.guidance)
    yield (
        "synthesis", f"{drawn} images, {config.synthesis.done} steps each",
        fractions * config.run.shards, drawn * (computed + _BESIDE) * painted,
        drawn * picture,
    )  # fmt: skip
    yield "synthetic_set", "images, annotations, provenance", fractions, drawn, 0
    yield (
        "mask_rcnn", f"{networks} segmenters, {segmenter.steps} steps each", networks,
        networks * segmenter.steps * segmenter.batch * area * full,
        networks * (200_000_000 if full > 1 else 16_000_000),
    )  # fmt: skip
    yield "iou_evaluation", f"{networks} segmenters on the test part", fractions, networks * 50, 0
    yield "fid_evaluation", f"{drawn} images", fractions, drawn * area, 0
    yield "report", "report.html, summary.json", 1, 0, 5_000_000


def _measured(store: Path) -> dict[str, float]:
    """Seconds a unit of work, from the latest finished task of every step."""
    rates: dict[str, float] = {}
    newest: dict[str, float] = {}
    for path in store.glob(f"*/*/result/{RECORD}"):
        record = json.loads(path.read_text())
        step, age = record["step"], path.stat().st_mtime
        values = {**record["settings"], **record["scalars"]}
        work = work_of(step, values, _resolution(record), _base(record))
        if work and not record["continued"] and age > newest.get(step, 0.0):
            newest[step] = age
            rates[step] = record["seconds"] / work
    return rates


def _before(record: dict[str, object], step: str) -> dict[str, object] | None:
    """Settings of an earlier step of a record's lineage."""
    lineage = record["lineage"]
    for one in lineage if isinstance(lineage, list) else []:
        if one["step"] == step:
            return dict(one["settings"])
    return None


def _base(record: dict[str, object]) -> Scale:
    settings = _before(record, "base_model")
    return TINY if settings is None else scale(BaseModelSettings.model_validate(settings))


def _resolution(record: dict[str, object]) -> int:
    if (settings := _before(record, "data_versioning")) is not None:
        return DataSettings.model_validate(settings).resolution
    scalars = record["scalars"]
    return int(scalars.get("resolution", 96)) if isinstance(scalars, dict) else 96
