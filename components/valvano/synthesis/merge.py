"""Merge the shards' images into one synthetic set."""

import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from components.dataset import Dataset, read_image, write_image
from components.fraction import percent
from components.instances import class_map
from components.outcome import Outcome
from components.pictures import draw_masks, grid
from components.progress import track
from components.settings import Settings
from components.synthetic import write_annotations
from components.valvano.driver_extraction.driver import brightened
from components.valvano.driver_extraction.recipe import read_recipe
from components.valvano.synthesis.realise import Realised, realise
from components.valvano.synthesis.row import Row, read_plan

KEPT = 24
"""Drivers that are kept with the set."""

SHOWN = 12
"""Pairs of driver and image in the preview."""


def merge(
    out: Path,
    settings: Settings,
    dataset: Path,
    drivers: Path,
    plan: Path,
    parts: list[Path],
    fraction: float,
) -> Outcome:
    """Write the synthetic set: images, COCO annotations, provenance, its first drivers.

    Args:
        out: The folder of the result.
        settings: None so far.
        dataset: The dataset artifact.
        drivers: The drivers, for their recipe.
        plan: The plan.
        parts: The shards' images.
        fraction: Fraction of the real data that the set was made from.

    Returns:
        `images` and `instances`, their numbers.

    Raises:
        ValueError: If a planned image is missing, comes twice, or was not planned.
    """
    data, recipe, rows = Dataset(dataset), read_recipe(drivers), read_plan(plan)
    files = _collected(rows, parts, fraction)
    for name in ("images", "drivers", "preview"):
        (out / name).mkdir(exist_ok=True)
    realised: dict[str, Realised] = {}
    instances, pairs = [], []
    side, classes = data.resolution, len(data.classes)
    for row in track(rows, "merging", unit="images"):
        first = row.driver not in realised
        if first:
            # Rows come driver by driver, so only the last one is needed again.
            realised = {row.driver: realise(row, data, recipe)}
        made = realised[row.driver]
        shutil.copyfile(files[row.id], out / "images" / f"{row.id}.png")
        instances.append(made.instances)
        if first and int(row.driver) < KEPT:
            write_image(out / "drivers" / f"{row.driver}.png", made.driver, flat=True)
        if first and int(row.driver) < SHOWN:
            image = read_image(files[row.id])
            drawn = draw_masks(image, class_map(made.instances, side, side), classes)
            pairs += [brightened(made.driver, recipe), drawn]
    write_annotations(out, [asdict(row) for row in rows], instances, side, data.classes)
    write_image(out / "preview" / "synthetic.png", grid(pairs, columns=6))
    return Outcome(
        metrics={"images": len(rows), "instances": sum(len(found) for found in instances)}
    )


def _collected(rows: list[Row], parts: list[Path], fraction: float) -> dict[str, Path]:
    """File of every planned image, each exactly once."""
    found = [file for part in parts for file in sorted((part / "images").glob("*.png"))]
    times = Counter(file.stem for file in found)
    planned = {row.id for row in rows}
    problems = {
        "are missing": sorted(planned - times.keys()),
        "come more than once": sorted(name for name in times if times[name] > 1),
        "were not planned": sorted(times.keys() - planned),
    }
    told = [f"{_named(names)} {what}" for what, names in problems.items() if names]
    if told:
        raise ValueError(
            f"the shards of {percent(fraction)} are not the plan's {len(rows)} images: "
            f"{'; '.join(told)}; draw the shards of this plan again"
        )
    return {file.stem: file for file in found}


def _named(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
