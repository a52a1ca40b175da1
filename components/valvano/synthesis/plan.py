"""Decide every synthetic image before any is drawn.

Masks and defect-free frames are dealt (`deal`); chance decides the variations and the places. Where
drivers share a version of a frame (`plan.together`), each keeps clear of those before it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from components import dilation
from components.dataset import Dataset, Frame, write_image
from components.fraction import percent
from components.instances import Mask, class_map
from components.outcome import Outcome
from components.pictures import draw_masks, grid
from components.progress import track
from components.synthetic import varied
from components.valvano.driver_extraction.driver import brightened
from components.valvano.driver_extraction.recipe import Recipe, read_recipe
from components.valvano.prompts import condition
from components.valvano.synthesis.augment import (
    Augmentation,
    augment,
    draw_augmentation,
    object_area,
)
from components.valvano.synthesis.deal import (
    Shape,
    Version,
    deal_shapes,
    deal_versions,
    shapes_of,
)
from components.valvano.synthesis.perturb import perturb
from components.valvano.synthesis.place import Placement, place
from components.valvano.synthesis.realise import masks_of, realise
from components.valvano.synthesis.row import Row, write_plan
from components.valvano.synthesis.settings import PlanSettings

PHOTO, MASK, NOISE = 1, 2, 3
"""Streams of random numbers; 0 is that of `deal`."""

OFTEN = 50
"""Images of one mask above which a fraction's masks are called few."""

APART = 0.1
"""Least distance of masks that share a photo's version, as a share of the frame's side: around a
mask a drawing goes over into the photo."""

SHOWN = 8
"""Drivers in the preview."""


def make_plan(
    out: Path,
    settings: PlanSettings,
    dataset: Path,
    drivers: Path,
    fraction: float,
    token: str,
    seed: int,
) -> Outcome:
    """Write `plan.parquet`, one row an image.

    Args:
        out: The folder of the result.
        settings: How many images, and how both photos and masks are varied.
        dataset: The dataset artifact.
        drivers: The drivers, for their recipe.
        fraction: Fraction of the real data whose masks may be used.
        token: Rare word that names the concept.
        seed: Seed of everything random here, the images' noise included.

    Returns:
        Coverage: `images`, `drivers`, `masks_used` of `masks_available`, `clean_used` of
        `clean_available`, `fallbacks` (drivers whose mask found no place on the object), and
        `images_<class>` for every class.

    Raises:
        ValueError: If the training part has no mask of this fraction or no defect-free frame.
    """
    data, recipe = Dataset(dataset), read_recipe(drivers)
    clean = data.frames("train", fraction=fraction, defect_free=True)
    if not clean:
        raise ValueError(
            f"dataset {data.about.source!r} has no defect-free training frame to put defects on; "
            "add photos without annotations"
        )
    shapes = shapes_of(data, fraction)
    if not shapes:
        raise ValueError(
            f"{percent(fraction)} of dataset {data.about.source!r} holds no mask to take; "
            "annotate photos or use a larger fraction"
        )
    classes = len({shape.defect for shape in shapes})
    count = max(-(-settings.images // settings.samples), min(classes, settings.images))
    dealt = zip(
        deal_shapes(shapes, count, seed), deal_versions(clean, count, settings, seed), strict=True
    )
    places = _Places(data, settings, seed)
    seeds = np.random.default_rng([seed, NOISE]).choice(2**31, settings.images, replace=False)
    rows: list[Row] = []
    drivers_made = track(list(dealt), "planning", unit="drivers")
    for number, (shape, version) in enumerate(drivers_made):
        how, placed = places.find(number, shape, version)
        driver: dict[str, Any] = {
            "source": version.frame.id,
            "ground": version.name,
            "mask": shape.frame.id,
            "driver": f"{number:06d}",
            "defect": shape.defect,
            "prompt": condition(token, shape.defect),
            "version": version.number,
            **asdict(how),
            "instances": ",".join(str(one) for one in shape.numbers),
            **asdict(placed.how),
            "dx": placed.dx,
            "dy": placed.dy,
            "fitted": placed.fitted,
        }
        for _ in range(settings.images // count + (number < settings.images % count)):
            index = len(rows)
            rows.append(Row(id=f"{index:06d}", seed=int(seeds[index]), **driver))
    write_plan(out, rows)
    _preview(out, data, recipe, rows)
    return Outcome(
        metrics=_coverage(rows, shapes, clean, data.classes),
        warnings=_warnings(rows, shapes, clean, settings, fraction, data.classes),
    )


class _Places:
    """Finds masks their places, clear of those that share their photo's version."""

    def __init__(self, data: Dataset, settings: PlanSettings, seed: int) -> None:
        self.data, self.settings, self.seed = data, settings, seed
        # Pixels of every version that are too near to placed masks.
        self.taken: dict[str, Mask] = {}

    def find(self, number: int, shape: Shape, version: Version) -> tuple[Augmentation, Placement]:
        """How the photo of a driver is varied, and how its masks are varied and moved."""
        how = draw_augmentation(version.number, self.settings, [self.seed, PHOTO, version.photo])
        area = object_area(augment(self.data.image(version.frame), how))
        masks = masks_of(self.data, shape.frame, shape.numbers)
        rng = np.random.default_rng([self.seed, MASK, number])
        placed = self._place(masks, area, self.taken.get(version.name), rng)
        if self.settings.together > 1:
            near = self._near(masks, placed)
            self.taken[version.name] = near | self.taken.get(version.name, near)
        return how, placed

    def _place(
        self, masks: Sequence[Mask], area: Mask, taken: Mask | None, rng: np.random.Generator
    ) -> Placement:
        """A place that is not taken; where there is none, any place on the object."""
        if taken is not None and (free := area & ~taken).any():
            placed = place(masks, free, self.settings, rng)
            if placed.fitted:
                return placed
        return place(masks, area, self.settings, rng)

    def _near(self, masks: Sequence[Mask], placed: Placement) -> Mask:
        side = self.data.resolution
        moved = perturb(masks, placed.how).placed(placed.dx, placed.dy, side)
        return dilation.square(np.logical_or.reduce(moved), round(APART * side))


def _coverage(
    rows: Sequence[Row], shapes: Sequence[Shape], clean: Sequence[Frame], classes: Sequence[str]
) -> dict[str, float]:
    made = Counter(row.defect for row in rows)
    return {
        "images": len(rows),
        "drivers": len({row.driver for row in rows}),
        "masks_used": len({(row.mask, row.defect) for row in rows}),
        "masks_available": len(shapes),
        "clean_used": len({row.source for row in rows}),
        "clean_available": len(clean),
        "fallbacks": len({row.driver for row in rows if not row.fitted}),
        **{f"images_{name}": made[name] for name in classes},
    }


def _warnings(
    rows: Sequence[Row],
    shapes: Sequence[Shape],
    clean: Sequence[Frame],
    settings: PlanSettings,
    fraction: float,
    classes: Sequence[str],
) -> list[str]:
    found = []
    made, masks = Counter(row.defect for row in rows), Counter(one.defect for one in shapes)
    missing = [name for name in classes if not made[name]]
    if missing:
        found.append(
            f"The synthetic set of {percent(fraction)} has no image of {', '.join(missing)}: "
            "there is no mask of it, or fewer images than classes are planned."
        )
    few = [
        f"{name} ({masks[name]}, {round(made[name] / masks[name])} images each)"
        for name in classes
        if masks[name] and made[name] > OFTEN * masks[name]
    ]
    if few:
        found.append(
            f"The synthetic set of {percent(fraction)} repeats few annotated masks, slightly "
            f"varied: {'; '.join(few)}. It can teach a segmenter little about other shapes."
        )
    drivers = {row.driver: row for row in rows}
    if len(drivers) > len(clean) * settings.augmentations * settings.together:
        found.append(
            f"The synthetic set of {percent(fraction)} uses the same version of a defect-free "
            f"photo more than once: {len(drivers)} drivers, {settings.together} on each version, "
            f"{len(clean)} photos in {settings.augmentations} versions. Add defect-free photos."
        )
    fallbacks = sum(not row.fitted for row in drivers.values())
    if fallbacks > 0.1 * len(drivers):
        found.append(
            f"{fallbacks} of {len(drivers)} masks for {percent(fraction)} found no place on the "
            "object and stay where they were annotated, which may be beside it."
        )
    return found


def _preview(out: Path, data: Dataset, recipe: Recipe, rows: Sequence[Row]) -> None:
    """Rows of three: a defect-free photo, its version with the mask drawn on, the driver."""
    side = data.resolution
    originals = {frame.id: frame for frame in data.frames("train", defect_free=True)}
    pictures = []
    for row in varied(rows, data.classes, SHOWN):
        made = realise(row, data, recipe)
        drawn = draw_masks(made.picture, class_map(made.instances, side, side), len(data.classes))
        pictures += [data.image(originals[row.source]), drawn, brightened(made.driver, recipe)]
    (out / "preview").mkdir(exist_ok=True)
    write_image(out / "preview" / "plan.png", grid(pictures, columns=6))
