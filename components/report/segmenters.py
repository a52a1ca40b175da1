"""Tables and figures of the segmenters on the held-out photos."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from components.fraction import percent
from components.report import published
from components.report.figures import REGIMES, Figure, Series, by_fraction
from components.report.layout import Cell, Column, Table, number, table
from components.report.verdict import APART, Comparison

METRICS = {
    "segm_map": "mask mAP",
    "bbox_map": "box mAP",
    "iou": "IoU",
    "hausdorff": "Hausdorff",
}
"""The paper's four metrics and what they are called; the last is better when it is lower."""

_MATCHED = {"iou": "iou_matched", "hausdorff": "hausdorff_matched"}
"""The same over the defects that were found alone, which is what the paper's figures look like."""

_ALL = {
    **METRICS,
    "iou_matched": "IoU, found",
    "hausdorff_matched": "Hausdorff, found",
    "segm_ap50": "mask AP50",
    "bbox_ap50": "box AP50",
    "matched": "found",
    "false_alarms": "false alarms",
}
_NO_SCORE = "the metric is not defined here: no such defect in the test part, or none to compare"
_NO_PAPER = "the paper has no such training"
_NUMBERS = {1.0: "Table 1", 0.1: "Table 2"}

ABOUT = (
    "IoU and Hausdorff distance come in two forms. All: a missed defect counts as IoU 0 and"
    " distance 1. Found: over the detected defects alone, blind to what is missed. The paper does"
    " not say which one it means; its IoU of 0.76 to 0.81 at an mAP of 0.02 to 0.15 looks like the"
    " second."
)

Row = dict[str, Any]


def ours_and_theirs(fraction: float, regimes: Sequence[Row], notes: Sequence[str]) -> Table:
    """The paper's table of one fraction for this data, beside the paper's own figures.

    Args:
        fraction: The fraction.
        regimes: `regimes` of that fraction's `scores.json`: means over the seeds.
        notes: Protocol and sample sizes.
    """
    known = any(row.fraction == fraction for row in published.SEGMENTATION)
    columns = [Column("trained on", number=False)]
    for metric, name in METRICS.items():
        if metric in _MATCHED:
            columns += [Column("all", name), Column("found", name)]
        else:
            columns += [Column("here", name) if known else Column(name)]
        columns += [Column("paper", name, quiet=True)] if known else []
    body = []
    for row in in_order(regimes):
        theirs = published.segmentation(fraction, row["regime"])
        cells = [Cell(regime_name(row["regime"]))]
        for metric in METRICS:
            cells.append(_mean(row[metric]))
            if metric in _MATCHED:
                cells.append(_mean(row[_MATCHED[metric]]))
            if known:
                printed = None if theirs is None else getattr(theirs, metric)
                cells.append(_printed(printed, metric))
        body.append(cells)
    seeds = sorted({int(seed) for row in regimes for seed in row["seeds"]})
    below = (
        f"One training each, seed {seeds[0]}."
        if len(seeds) == 1
        else f"Mean of {len(seeds)} trainings each, seeds {', '.join(map(str, seeds))}, with their"
        " standard deviation (sd)."
    )
    title = f"Segmenters, {percent(fraction)} of the real photos"
    if fraction in _NUMBERS:
        title = f"{_NUMBERS[fraction]}. {title}"
    collapsed = (
        "In the paper, training on 10 % real photos alone collapsed at every learning rate and"
        " batch size tried."
        if fraction == 0.1
        else ""
    )
    none = f"The paper has no experiment with {percent(fraction)} of its data."
    end = (published.DATA, collapsed) if known else (none,)
    return table(title, columns, body, [below, *notes, *end])


def protocol_notes(protocol: Row) -> list[str]:
    """Protocol and sample sizes in two sentences."""
    share = f"{protocol['confidence'] * 100:g} % interval"
    return [
        f"Below a number: its {share}, from {protocol['resamples']} resamples of the test photos,"
        f" photos of one piece together (seed {protocol['seed']}), and, of several trainings, from"
        " how far these lie apart."
        if protocol["resamples"]
        else "No intervals: the bootstrap was switched off.",
        (
            f"Held out: {protocol['photos']} photos of {protocol['groups']} pieces,"
            f" {protocol['annotated_frames']} annotated and {protocol['defect_free_frames']}"
            f" defect-free frames of {protocol['resolution']} px, {protocol['instances']} defects."
        ),
    ]


def definitions(protocol: Row) -> Table:
    """How every metric is defined."""
    columns = [Column("metric", number=False), Column("definition", number=False)]
    body = [[Cell(_ALL.get(name, name.replace("_", " "))), Cell(text)]
            for name, text in protocol["definitions"].items()]  # fmt: skip
    return table("What the metrics mean", columns, body)


def gains(found: Sequence[Comparison], confidence: float | None) -> Table | None:
    """Paired differences to training on real photos alone, or None when there are none."""
    if not found:
        return None
    metrics = [metric for metric in METRICS if any(one.metric == metric for one in found)]
    groups: dict[tuple[float, str], dict[str, Comparison]] = {}
    for one in found:
        groups.setdefault((one.fraction, one.regime), {})[one.metric] = one
    columns = [Column("real photos", number=False), Column("trained on", number=False)]
    columns += [Column(METRICS[metric]) for metric in metrics]
    body = []
    for (fraction, regime), by_metric in groups.items():
        cells = [Cell(percent(fraction)), Cell(regime_name(regime))]
        for metric in metrics:
            pair = by_metric.get(metric)
            cells.append(
                Cell("–", reason=_NO_SCORE)
                if pair is None
                else number(
                    pair.difference,
                    3,
                    interval=pair.interval,
                    reason=_NO_SCORE,
                    strong=pair.word in APART,
                )
            )
        body.append(cells)
    share = f"{confidence * 100:g} % " if confidence is not None else ""
    return table(
        "Difference to training on real photos alone, with as many optimiser steps",
        columns,
        body,
        [
            (
                f"Below a number: the {share}interval of the paired bootstrap, both segmenters on"
                " the same resampled test photos; with several trainings it covers their luck too."
                " Bold: the interval leaves out 0. A lower Hausdorff distance is better."
            )
        ],
    )


def every_training(rows: Sequence[Row]) -> Table:
    """One row a training, with its intervals."""
    columns = [
        Column("real photos", number=False), Column("trained on", number=False), Column("seed"),
        *(Column(name) for name in _ALL.values()),
    ]  # fmt: skip
    body = [
        [
            Cell(percent(row["fraction"])),
            Cell(regime_name(row["regime"])),
            Cell(str(row["seed"])),
            *(
                number(row[metric], 3, interval=row["intervals"].get(metric), reason=_NO_SCORE)
                for metric in _ALL
            ),
        ]
        for row in rows
    ]
    return table("Every training", columns, body)


def every_class(rows: Sequence[Row]) -> Table | None:
    """One row a training and class, or None when no row tells classes apart."""
    metrics = [
        metric
        for metric in _ALL
        if any(metric in values for row in rows for values in row["per_class"].values())
    ]
    body = [
        [
            Cell(percent(row["fraction"])),
            Cell(regime_name(row["regime"])),
            Cell(str(row["seed"])),
            Cell(name),
            *(number(values.get(metric), 3, reason=_NO_SCORE) for metric in metrics),
            Cell(str(values["instances"])),
        ]
        for row in rows
        for name, values in row["per_class"].items()
    ]
    columns = [
        Column("real photos", number=False), Column("trained on", number=False), Column("seed"),
        Column("class", number=False), *(Column(_ALL[metric]) for metric in metrics),
        Column("test defects"),
    ]  # fmt: skip
    return table("Every class", columns, body) if body else None


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Rows in the order in which people read regimes; unknown ones last."""
    order = list(REGIMES)
    return sorted(
        rows, key=lambda row: order.index(row["regime"]) if row["regime"] in order else len(order)
    )


def regime_name(regime: str) -> str:
    """A regime as people read it."""
    return REGIMES.get(regime, regime.replace("_", " "))


def metric_figures(regimes: Sequence[Row], fractions: Sequence[float]) -> list[Figure]:
    """Every metric by fraction and regime, with intervals."""
    return [_figure(metric, name, regimes, fractions) for metric, name in METRICS.items()]


def _figure(metric: str, name: str, regimes: Sequence[Row], fractions: Sequence[float]) -> Figure:
    series = []
    for regime in dict.fromkeys(row["regime"] for row in in_order(regimes)):
        found = [
            (float(fractions.index(row["fraction"])), row[metric]["mean"], row[metric]["interval"])
            for row in regimes
            if row["regime"] == regime and row[metric]["mean"] is not None
        ]
        found.sort(key=lambda point: point[0])
        if found:
            points = [(place, value) for place, value, _ in found]
            ends = [None if pair is None else (pair[0], pair[1]) for _, _, pair in found]
            series.append(Series(regime_name(regime), points, ends))
    note = ", lower is better" if metric == "hausdorff" else ""
    return by_fraction(f"{name}{note}", series, fractions)


def _mean(score: Row) -> Cell:
    cell = number(score["mean"], 3, interval=score["interval"], reason=_NO_SCORE)
    if score["sd"] is None or score["mean"] is None:
        return cell
    spread = f"sd {score['sd']:.3f}"
    return replace(cell, under=f"{cell.under}\n{spread}" if cell.under else spread)


def _printed(value: float | None, metric: str) -> Cell:
    if value is None:
        return Cell("–", reason=_NO_PAPER)
    return Cell(f"{value:.2f}" if metric != "iou" else f"{value:.4f}".rstrip("0").ljust(5, "0"))
