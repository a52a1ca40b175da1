"""Drawing one shard of the plan (Valvano et al. 2024, section 3.2).

An image is a function of its row and the models: its noise comes from the row's seed, its driver
from the row, and it is computed in a group of fixed shape (`components.valvano.sampler`), so the
number of shards, the other rows and an interruption leave no trace in it.
"""

from dataclasses import replace
from pathlib import Path

from diffusers import ControlNetModel, UNet2DConditionModel

from components.dataset import Dataset, Image, read_image, write_image
from components.device import choose
from components.instances import class_map
from components.outcome import Outcome
from components.pictures import grid
from components.valvano.driver_extraction.driver import hidden
from components.valvano.driver_extraction.recipe import read_recipe
from components.valvano.ground import Ground
from components.valvano.parts import load, read_network
from components.valvano.sampler import Request, Sampler, ddim
from components.valvano.synthesis.realise import realise
from components.valvano.synthesis.row import Row, read_plan, rows_of_shard
from components.valvano.synthesis.settings import SynthesisSettings
from components.valvano.synthesis.transplant import transplant

SAMPLES = 8
"""Rows of the preview."""


def draw(
    out: Path,
    settings: SynthesisSettings,
    dataset: Path,
    drivers: Path,
    plan: Path,
    concept: Path,
    control: Path,
    shard: int,
    shards: int,
) -> Outcome:
    """Draw the shard's images to `images/<row id>.png`; those that are there already are kept.

    Args:
        out: The step's folder; `preview/samples.png` shows driver and image in pairs.
        settings: The sampling.
        dataset: The dataset artifact.
        drivers: The drivers, for their recipe.
        plan: The plan.
        concept: The model of phase 1.
        control: The hypernetwork of phase 2.
        shard: Number of this shard, from 0.
        shards: Number of shards.
    """
    data, recipe = Dataset(dataset), read_recipe(drivers)
    rows = rows_of_shard(read_plan(plan), shard, shards)
    folder = out / "images"
    folder.mkdir(exist_ok=True)

    def path(row: Row) -> Path:
        return folder / f"{row.id}.png"

    def request(row: Row) -> Request:
        made = realise(row, data, recipe)
        if settings.background == "drawn":
            return Request(row.prompt, row.seed, made.driver)
        side = data.resolution
        around = hidden(class_map(made.instances, side, side), recipe)
        begun = transplant(row, made, data, recipe) if settings.strength < 1 else None
        ground = Ground(made.picture, around.astype(bool), begun)
        return Request(row.prompt, row.seed, made.driver, ground)

    def keep(row: Row, image: Image) -> None:
        write_image(path(row), image)

    missing = [row for row in rows if not path(row).is_file()]
    if missing:
        on = choose(settings.bf16)
        parts = load(concept, on)
        if (control / "unet").is_dir():  # its decoder was trained along
            unet = read_network(UNet2DConditionModel, control / "unet")
            parts = replace(parts, unet=on.frozen(unet))
        network = on.frozen(read_network(ControlNetModel, control / "controlnet"))
        sampler = Sampler(
            parts,
            ddim(parts.scheduler.config),
            resolution=data.resolution,
            steps=settings.steps,
            guidance=settings.guidance,
            batch=settings.batch,
            control=network,
            conditioning=settings.conditioning,
            done=settings.done,
        )
        sampler.draw_all(missing, request, keep, "images", done=len(rows) - len(missing))
    if rows:
        pairs = [
            picture
            for row in rows[:SAMPLES]
            for picture in (realise(row, data, recipe).driver, read_image(path(row)))
        ]
        (out / "preview").mkdir(exist_ok=True)
        write_image(out / "preview" / "samples.png", grid(pairs, 4 if len(pairs) > 2 else 2))
    return Outcome(metrics={"images": len(rows)})
