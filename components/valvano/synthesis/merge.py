"""Merge the shards' images into one synthetic set."""

import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from components.contrast import FEWEST_FRAMES, LEVEL, defect_free, looks, standing
from components.dataset import Dataset, read_image, write_image
from components.fraction import percent
from components.instances import class_map
from components.outcome import Outcome
from components.pictures import draw_masks, grid
from components.progress import track
from components.synthetic import varied, write_annotations
from components.valvano.driver_extraction.driver import brightened
from components.valvano.driver_extraction.recipe import read_recipe
from components.valvano.synthesis.realise import Realised, realise
from components.valvano.synthesis.row import Row, read_plan
from components.valvano.synthesis.settings import SetSettings

KEPT = 24
"""Drivers that are kept with the set."""

SHOWN = 12
"""Pairs of driver and image in the preview."""


def merge(
    out: Path,
    settings: SetSettings,
    dataset: Path,
    drivers: Path,
    plan: Path,
    parts: list[Path],
    fraction: float,
    seed: int,
) -> Outcome:
    """Write the synthetic set: images, COCO annotations, provenance, its first drivers.

    Args:
        out: The folder of the result.
        settings: Whether images are rejected.
        dataset: The dataset artifact.
        drivers: The drivers, for their recipe.
        plan: The plan.
        parts: The shards' images.
        fraction: Fraction of the real data that the set was made from.
        seed: Seed of the defect-free frames that masks are compared on.

    Returns:
        `images` and `instances` of the set, and how many were `rejected`.

    Raises:
        ValueError: If a planned image is missing, comes twice, or was not planned.
    """
    data, recipe, rows = Dataset(dataset), read_recipe(drivers), read_plan(plan)
    files = _collected(rows, parts, fraction)
    for name in ("images", "rejected", "drivers", "preview"):
        shutil.rmtree(out / name, ignore_errors=True)
        (out / name).mkdir()
    realised: dict[str, Realised] = {}
    instances, pairs, stands_out = [], [], []
    side, classes = data.resolution, len(data.classes)
    frames = defect_free(data, fraction, seed) if settings.reject else None
    clean = looks(frames) if frames else None
    chosen = [row.driver for row in varied(rows, data.classes, KEPT)]
    for row in track(rows, "merging", unit="images"):
        first = row.driver not in realised
        if first:
            # Rows come driver by driver, so only the last one is needed again.
            realised = {row.driver: realise(row, data, recipe)}
        made = realised[row.driver]
        instances.append(made.instances)
        if clean is not None:
            image = read_image(files[row.id])
            seen = standing(made.instances, image, clean, settings.margin)
            stands_out.append(seen.stands_out)
        if first and row.driver in chosen:
            write_image(out / "drivers" / f"{row.driver}.png", made.driver, flat=True)
        if first and row.driver in chosen[:SHOWN]:
            image = read_image(files[row.id])
            drawn = draw_masks(image, class_map(made.instances, side, side), classes)
            pairs += [brightened(made.driver, recipe), drawn]
    accepted, warnings = _accepted(settings, stands_out, len(rows), percent(fraction))
    for row, kept in zip(rows, accepted, strict=True):
        folder = out / ("images" if kept else "rejected")
        shutil.copyfile(files[row.id], folder / f"{row.id}.png")
    if all(accepted):
        (out / "rejected").rmdir()
    provenance = [
        asdict(row) | {"accepted": kept} for row, kept in zip(rows, accepted, strict=True)
    ]
    write_annotations(out, provenance, instances, side, data.classes)
    write_image(out / "preview" / "synthetic.png", grid(pairs, columns=6))
    return Outcome(
        metrics={
            "images": sum(accepted),
            "rejected": len(rows) - sum(accepted),
            "instances": sum(
                len(found) for found, kept in zip(instances, accepted, strict=True) if kept
            ),
        },
        warnings=warnings,
    )


def _accepted(
    settings: SetSettings, stands_out: list[bool], images: int, name: str
) -> tuple[list[bool], list[str]]:
    """Which images make the set, and what a reader must know of it."""
    if not settings.reject:
        return [True] * images, []
    if not stands_out:
        warning = (
            f"synthetic set {name}: nothing was rejected, for that needs {FEWEST_FRAMES} "
            "defect-free training frames"
        )
        return [True] * images, [warning]
    share = sum(stands_out) / images
    if share < settings.fewest:
        warning = (
            f"synthetic set {name}: only {share:.0%} of the images show enough in their mask "
            f"(by chance {LEVEL:.0%} or fewer would), so nothing was rejected; the "
            "generator has not learnt to draw defects. Train the hypernetwork longer."
        )
        return [True] * images, [warning]
    return stands_out, []


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
