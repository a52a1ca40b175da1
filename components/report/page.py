"""`report.html`: one file that needs no network, no script and nothing beside itself."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.dataset import Image
from components.fraction import percent
from components.report import gallery, material, published, quality, segmenters
from components.report.gallery import Sheet, Strip
from components.report.inputs import Part, Run
from components.report.layout import Cell, Column, table
from components.report.summary import all_comparisons, verdicts
from components.report.verdict import lead
from components.synthetic import Provenance

RULE = (
    "The rule: mask mAP of training on synthetic images and then on real ones, minus that of real"
    " photos alone with as many optimiser steps, on the same held-out photos. “No measurable"
    " difference” means that the interval of this difference holds 0. The interval covers the"
    " choice of test photos and, where each was trained several times, the luck of a training;"
    " only then does it say “helps” or “harms”. With one training each it is “better this time”"
    " or “worse this time”, and another seed may turn it round."
)


@dataclass(frozen=True)
class Gallery:
    """Pictures under a heading.

    Attributes:
        title: The heading.
        note: A sentence below it; may be empty.
        strips: The pictures, in rows.
        driver: Whether each row is a driver and what it made.
    """

    title: str
    note: str
    strips: list[Strip]
    driver: bool = False


def render(run: Run, summary: dict[str, Any], samples: int) -> str:
    """The page as HTML; everything that is not its own text is escaped.

    Args:
        run: The run.
        summary: Its summary.
        samples: Synthetic images shown for every fraction.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # A number and its sign of percent stay on one line.
    environment.filters["glue"] = lambda text: text.replace(" %", "\u00a0%")
    sheets = _sheets(
        {
            "data": gallery.previews(run.dataset.path, "from the data"),
            "scores": [one for part, scores in run.scores for one in _found(part, scores["rows"])],
            "quality": [one for part, _ in run.qualities for one in _best_and_worst(part)],
            "making": _making(run),
        }
    )
    return environment.get_template("page.html.jinja").render(
        title=f"defectory report: {run.dataset.about.source}",
        version=summary["versions"]["defectory"],
        source=published.SOURCE,
        lead=lead(verdicts(run)),
        verdicts=[
            {
                "share": percent(one.fraction),
                "word": one.word,
                "sentence": one.sentence,
                "beside": one.beside,
            }
            for one in verdicts(run)
        ],
        rule=RULE,
        warnings=summary["warnings"],
        data={
            "text": material.describe_data(summary["dataset"]),
            "splits": material.splits(summary["dataset"]),
            "sheets": sheets["data"],
        },
        segmentation={**_segmentation(run, summary), "sheets": sheets["scores"]},
        swatches=gallery.swatches(run.dataset.classes),
        galleries=_with_sources(_galleries(run, samples)),
        quality={
            "tables": quality.tables(summary),
            "details": quality.by_class(summary["adherence"]),
            "sheets": sheets["quality"],
        },
        making={
            "coverage": material.coverage_table(summary["coverage"], run.dataset.classes),
            "curves": material.loss_figures(run.records),
            "sheets": sheets["making"],
        },
        cost=material.cost(summary["timings"]),
        provenance={
            "config": json.dumps(summary["config"], indent=2, ensure_ascii=False),
            "versions": _versions(summary["versions"]),
            "digests": material.digests(run.records),
        },
    )


def _segmentation(run: Run, summary: dict[str, Any]) -> dict[str, Any]:
    fractions = [part.fraction for part, _ in run.scores]
    found, rows = all_comparisons(run), summary["segmentation"]
    confidence = run.scores[0][1]["protocol"]["confidence"] if run.scores else None
    tables = [
        segmenters.ours_and_theirs(
            part.fraction, scores["regimes"], segmenters.protocol_notes(scores["protocol"])
        )
        for part, scores in reversed(run.scores)
    ]
    difference = segmenters.gains(found, confidence)
    details = [segmenters.every_training(rows), segmenters.every_class(rows)] if rows else []
    details += [segmenters.definitions(run.scores[0][1]["protocol"])] if run.scores else []
    return {
        "text": "Mask R-CNN, trained in three ways with the same number of optimiser steps, scored"
        f" on photos that no training, threshold or early stop has seen.{_joined(summary)}"
        if run.scores
        else "No segmenter was scored in this run.",
        "about": segmenters.ABOUT if run.scores else "",
        "figures": segmenters.metric_figures(summary["regimes"], fractions) if rows else [],
        "tables": [*([difference] if difference else []), *tables],
        "details": [one for one in details if one is not None],
    }


def _joined(summary: dict[str, Any]) -> str:
    most = summary["config"].get("plan", {}).get("together", 1)
    if most == 1:
        return ""
    return f" Synthetic images of one photo are shown as one, with the defects of up to {most}."


def method_strips(run: Run) -> list[gallery.Strip]:
    """Driver by driver what the method does, with the most real photos that were used."""
    for part in sorted(run.synthetics, key=lambda one: one.fraction, reverse=True):
        synthetic = run.synthetic(part.fraction)
        if synthetic is not None and synthetic.images:
            shown = _drivers(run, part, synthetic.images)
            return gallery.driven(run.dataset, synthetic, shown, most=1)
    return []


def _galleries(run: Run, samples: int) -> list[Gallery]:
    dataset, classes = run.dataset, len(run.dataset.classes)
    found = []
    for part in run.synthetics:
        synthetic = run.synthetic(part.fraction)
        if synthetic is None or not synthetic.images:
            continue
        share = f"{percent(part.fraction)} of the real photos"
        shown = _drivers(run, part, synthetic.images)
        found.append(
            Gallery(
                f"{share}: drivers and what they made",
                "Each row: the photo whose geometry was taken, the driver (its geometry shown"
                " brighter than models see it), samples as drawn and with the requested mask"
                " outlined, and the real photo that gave the mask."
                if shown
                else "Each row: samples of one driver, as drawn and with the requested mask"
                " outlined, and the real photo that gave the mask.",
                gallery.driven(dataset, synthetic, shown),
                driver=True,
            )
        )
        found.append(
            Gallery(
                f"{share}: synthetic",
                f"{min(samples, len(synthetic.images))} of {len(synthetic.images)}, evenly spaced,"
                " not picked.",
                [gallery.samples(synthetic, classes, samples)],
            )
        )
        found.append(
            Gallery(
                f"{share}: real",
                "What the generator was trained on.",
                [gallery.real(dataset, part.fraction, samples)],
            )
        )
    return found


def _drivers(
    run: Run, part: Part, images: list[Provenance]
) -> dict[str, tuple[Image, Image]]:  # fmt: skip
    """Source and driver of the drivers that are shown, made again from the plan."""
    plan = next((one for one in run.plans if one.fraction == part.fraction), None)
    if plan is None:
        return {}
    from components.valvano.driver_extraction.driver import brightened
    from components.valvano.driver_extraction.recipe import read_recipe
    from components.valvano.synthesis.realise import realise
    from components.valvano.synthesis.row import read_plan

    rows = {row.id: row for row in read_plan(plan.path)}
    recipe = read_recipe(run.drivers)
    first: dict[str, str] = {}
    for one in images:
        first.setdefault(one.driver, one.id)
    found = {}
    for driver in gallery.pick_drivers(images, run.dataset.classes):
        made = realise(rows[first[driver]], run.dataset, recipe)
        found[driver] = made.picture, brightened(made.driver, recipe)
    return found


def _with_sources(galleries: list[Gallery]) -> list[dict[str, Any]]:
    every = [shot for one in galleries for strip in one.strips for shot in strip.shots]
    sources = iter(gallery.shot_sources(every))
    return [
        {
            "title": one.title,
            "note": one.note,
            "driver": one.driver,
            "strips": [
                {
                    "title": strip.title,
                    "shots": [
                        {"source": next(sources), "caption": shot.caption} for shot in strip.shots
                    ],
                }
                for strip in one.strips
            ],
        }
        for one in galleries
    ]


def _found(part: Part, rows: list[dict[str, Any]]) -> list[Sheet]:
    columns = Counter(segmenters.regime_name(row["regime"]) for row in rows)
    names = [f"{name} ({count} seeds)" if count > 1 else name for name, count in columns.items()]
    share = percent(part.fraction)
    caption = (
        f"Found with {share} of the real photos; left to right: as annotated, {'; '.join(names)}"
    )
    return _captioned(part.path, caption)


def _best_and_worst(part: Part) -> list[Sheet]:
    return _captioned(
        part.path,
        f"{percent(part.fraction)} of the real photos: the images that keep best (above) and worst"
        " (below) to their masks",
    )


def _making(run: Run) -> list[Sheet]:
    found = _captioned(run.drivers, "annotated training frames and their drivers")
    found += _captioned(run.prior, "class images, drawn by the base model for prior preservation")
    for parts in (run.concepts, run.controls):
        for part in parts:
            found += _captioned(part.path, part.record.label)
    return found


def _captioned(folder: Path, caption: str) -> list[Sheet]:
    """The first picture that a step left, with a caption of its own."""
    return [replace(one, caption=caption) for one in gallery.previews(folder, "", 1)]


def _sheets(groups: dict[str, list[Sheet]]) -> dict[str, list[dict[str, Any]]]:
    every = [sheet for group in groups.values() for sheet in group]
    sources = iter(gallery.sheet_sources(every))
    return {
        name: [
            {"source": next(sources), "caption": one.caption, "width": _shown_width(one)}
            for one in group
        ]
        for name, group in groups.items()
    }


def _shown_width(sheet: Sheet) -> int:
    """Pixels of the page; small pictures are shown at twice their size."""
    width = sheet.pixels.shape[1]
    return max(width * (1 if width > 480 else 2), 160)


def _versions(versions: dict[str, Any]) -> Any:
    rows = [
        ["defectory", versions["defectory"]], ["Python", versions["python"]],
        *(one.partition("=")[::2] for one in versions["packages"]), ["data", versions["data"]],
    ]  # fmt: skip
    return table(
        "Versions",
        [Column("what", number=False), Column("version", number=False)],
        [[Cell(name), Cell(value)] for name, value in rows],
    )
