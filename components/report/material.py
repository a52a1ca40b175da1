"""The report's tables about what went in and what it cost: data, plan, time, versions."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from components.fraction import percent
from components.record import Record
from components.report.figures import REGIMES, Figure, Series, curves
from components.report.inputs import Run
from components.report.layout import Cell, Column, Table, duration, size, table

_PARTS = {"train": "training", "val": "validation", "test": "test"}


def splits(data: dict[str, Any]) -> Table:
    """Photos of every class in every part, from the summary's `dataset`."""
    columns = [Column("photos", number=False)]
    columns += [Column(percent(row["fraction"]), "training subset") for row in data["subsets"]]
    columns += [Column(name) for name in _PARTS.values()]
    names = [*data["classes"], None]
    undivided = (
        "defect-free photos are not divided: every subset has them all"
        if data["splits"]["train"]["defect_free"]
        else "there is none: places without a defect of each subset's own photos stand in"
    )
    body = []
    for name in names:
        key = "defect_free" if name is None else name
        cells = [Cell("defect-free" if name is None else name)]
        for row in data["subsets"]:
            count = row["photos_by_class"].get(name) if name is not None else None
            cells.append(Cell("–", reason=undivided) if count is None else Cell(str(count)))
        for part in _PARTS:
            of = data["splits"][part]
            count = of["defect_free"] if name is None else of["photos_by_class"][key]
            cells.append(Cell(str(count)))
        body.append(cells)
    totals = [Cell("annotated photos", strong=True)]
    totals += [Cell(str(row["photos"]), strong=True) for row in data["subsets"]]
    totals += [Cell(str(data["splits"][part]["annotated"]), strong=True) for part in _PARTS]
    body.insert(len(body) - 1, totals)
    pieces = [Cell("physical pieces")]
    pieces += [Cell(str(row["groups"])) for row in data["subsets"]]
    pieces += [Cell(str(data["splits"][part]["groups"])) for part in _PARTS]
    body.append(pieces)
    return table(
        "Photos of every class in every part",
        columns,
        body,
        [
            (
                "A photo with several classes counts once for each. Training subsets are nested;"
                " all photos of one physical piece lie in one part."
            ),
        ],
    )


def count_photos(run: Run) -> dict[str, Any]:
    """The summary's `dataset`."""
    dataset = run.dataset
    about = dataset.about
    annotated = [photo for photo in dataset.photos if not photo.defect_free]
    parts = {}
    for part in _PARTS:
        photos = [photo for photo in dataset.photos if photo.split == part]
        frames = [frame for frame in dataset.all_frames if frame.split == part]
        held = [photo for photo in photos if not photo.defect_free]
        parts[part] = {
            "photos": len(photos),
            "annotated": len(held),
            "defect_free": len(photos) - len(held),
            "frames": len(frames),
            "groups": len({photo.group for photo in photos}),
            "photos_by_class": _by_class(held, about.classes),
        }
    subsets = []
    for fraction in about.fractions:
        held = [photo for photo in annotated
                if photo.split == "train" and photo.fraction <= fraction + 1e-9]  # fmt: skip
        subsets.append(
            {
                "fraction": fraction,
                "photos": len(held),
                "frames": len(dataset.frames("train", fraction=fraction)),
                "groups": len({photo.group for photo in held}),
                "photos_by_class": _by_class(held, about.classes),
            }
        )
    return {
        "source": about.source,
        "digest": about.digest,
        "classes": list(about.classes),
        "resolution": about.resolution,
        "framing": about.framing,
        "grouping": about.grouping,
        "photos": len(dataset.photos),
        "annotated": len(annotated),
        "defect_free": len(dataset.photos) - len(annotated),
        "frames": len(dataset.all_frames),
        "groups": len({photo.group for photo in dataset.photos}),
        "splits": parts,
        "subsets": subsets,
    }


def describe_data(data: dict[str, Any]) -> str:
    """The data in a few sentences, from the summary's `dataset`."""
    framing = {
        "photo": "whole photos, scaled",
        "window": "windows cut at the photos' own scale",
    }[data["framing"]]
    grouping = {
        "column": "named in a column of the data",
        "pattern": "read from the file names",
        "pixels": "found from the pixels",
    }.get(data["grouping"], data["grouping"])
    return (
        f"{data['source']}: {data['photos']} photos of {data['groups']} physical pieces"
        f" ({grouping}), {data['annotated']} with annotated defects and {data['defect_free']}"
        f" without. Models see {data['frames']} square frames of {data['resolution']} px:"
        f" {framing}."
    )


def coverage(run: Run) -> list[dict[str, Any]]:
    """The summary's `coverage`: what every synthetic set was made of."""
    found = []
    for part in run.synthetics:
        synthetic = run.synthetic(part.fraction)
        if synthetic is None:
            continue
        images = synthetic.images
        drivers = Counter(one.driver for one in images)
        found.append(
            {
                "fraction": part.fraction,
                "images": len(images),
                "drivers": len(drivers),
                "most_samples": max(drivers.values(), default=0),
                "sources": len({one.source for one in images}),
                "sources_available": len(
                    run.dataset.frames("train", fraction=part.fraction, defect_free=True)
                ),
                "masks": len({one.mask for one in images}),
                "masks_available": len(run.dataset.frames("train", fraction=part.fraction)),
                "images_by_class": {
                    name: sum(one.defect == name for one in images) for name in run.dataset.classes
                },
            }
        )
    return found


def coverage_table(rows: Sequence[dict[str, Any]], classes: Sequence[str]) -> Table:
    """What the synthetic images were made of, by fraction."""
    columns = [
        Column("real photos", number=False), Column("images"), Column("drivers"),
        Column("most samples of a driver"), Column("used", "defect-free frames"),
        Column("of", "defect-free frames"), Column("used", "annotated frames for masks"),
        Column("of", "annotated frames for masks"),
        *(Column(name, "images by class") for name in classes),
    ]  # fmt: skip
    body = [
        [
            Cell(percent(row["fraction"])),
            *(Cell(str(row[key])) for key in (
                "images", "drivers", "most_samples", "sources", "sources_available", "masks",
                "masks_available",
            )),
            *(Cell(str(row["images_by_class"][name])) for name in classes),
        ]
        for row in rows
    ]  # fmt: skip
    return table(
        "What the synthetic sets were made of",
        columns,
        body,
        [("The paper draws at most 15 samples of one driver. An image counts for the class that its"
         " prompt names.")],
    )  # fmt: skip


def loss_figures(records: Sequence[Record]) -> list[Figure]:
    """The curves of all trainings: one figure a step and curve, and a fraction where a step
    trains several regimes."""
    groups: dict[tuple[str, str, str], list[Series]] = {}
    for record in records:
        fraction = record.scalars.get("fraction")
        regime = record.scalars.get("regime")
        share = "" if fraction is None else percent(float(fraction))
        for name, points in record.curves.items():
            if regime is None:
                where, label = "", share or record.label
            else:
                where, label = share, REGIMES.get(str(regime), str(regime))
            groups.setdefault((record.step, name, where), []).append(Series(label, points))
    return [
        curves(f"{_words(step)}{f' {where}' if where else ''}: {_words(name)}", series)
        for (step, name, where), series in sorted(
            groups.items(), key=lambda item: _order(records, item[0])
        )
    ]


def timings(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The summary's `timings`."""
    return [
        {
            "step": record.step,
            "label": record.label,
            "seconds": record.seconds,
            "memory": record.memory,
            "device_memory": record.device_memory,
            "continued": record.continued,
        }
        for record in records
    ]


def cost(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Time and memory by step for bars, and a table of every task."""
    by_step: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_step.setdefault(row["step"], []).append(row)
    times = {step: sum(row["seconds"] for row in found) for step, found in by_step.items()}
    peaks = {step: max(row["memory"] for row in found) for step, found in by_step.items()}
    device = {step: max(row["device_memory"] for row in found) for step, found in by_step.items()}
    tasks = table(
        "Every task",
        [Column("task", number=False), Column("seconds"), Column("peak memory, MiB"),
         Column("on the accelerator, MiB"), Column("continued", number=False)],
        [
            [
                Cell(row["label"]),
                Cell(f"{row['seconds']:.1f}"),
                Cell(f"{row['memory'] / 2**20:.0f}"),
                Cell(f"{row['device_memory'] / 2**20:.0f}")
                if row["device_memory"]
                else Cell("–", reason="the task used no accelerator"),
                Cell("yes" if row["continued"] else "no"),
            ]
            for row in rows
        ],
        ["A task that continued an interrupted try shows the time of its last try alone."],
    )  # fmt: skip
    return {
        "text": f"{len(rows)} tasks, {duration(sum(times.values()))} of computing in all, at most"
        f" {size(max(peaks.values(), default=0))} of memory at once in one task. A result taken"
        " from the store shows what it cost when it was made.",
        "device": any(device.values()),
        "steps": [
            {
                "step": _words(step),
                "tasks": len(found),
                "time": duration(times[step]),
                "time_share": _share(times[step], times),
                "memory": size(peaks[step]),
                "memory_share": _share(peaks[step], peaks),
                "device": size(device[step]) if device[step] else "–",
                "device_share": _share(device[step], device),
            }
            for step, found in by_step.items()
        ],
        "tasks": tasks,
    }


def digests(records: Sequence[Record]) -> Table:
    """What every task was made from and what came out."""
    return table(
        "Every task's content",
        [Column("task", number=False), Column("key", number=False), Column("digest", number=False)],
        [
            [Cell(record.label), Cell(record.key[:16]), Cell(record.digest[:16])]
            for record in records
        ],
        [("Key: digest of code, settings, inputs and packages. Digest: of the result's content."
         " The first 16 digits of each.")],
    )  # fmt: skip


def warnings(records: Sequence[Record]) -> list[dict[str, Any]]:
    """The summary's `warnings`: every sentence once, with all tasks that said it."""
    found: dict[str, list[str]] = {}
    for record in records:
        for text in record.warnings:
            labels = found.setdefault(text, [])
            if record.label not in labels:
                labels.append(record.label)
    return [{"text": text, "labels": labels} for text, labels in found.items()]


def _by_class(photos: Sequence[Any], classes: Sequence[str]) -> dict[str, int]:
    return {name: sum(name in photo.classes for photo in photos) for name in classes}


def _order(records: Sequence[Record], key: tuple[str, str, str]) -> int:
    step, name, where = key
    return next(
        place
        for place, record in enumerate(records)
        if record.step == step
        and name in record.curves
        and (not where or percent(float(record.scalars["fraction"])) == where)
    )


def _share(value: float, of: dict[str, float] | dict[str, int]) -> str:
    largest = max(of.values(), default=0)
    return f"{100 * value / largest:.1f}" if largest else "0"


def _words(name: str) -> str:
    return name.replace("_", " ")
