"""A small finished run for the tests of the report, made by the real steps where they are quick."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.dataset import Dataset, Image, write_image
from components.fid_evaluation.adherence import measure_adherence
from components.fid_evaluation.distance import Sets, measure
from components.fid_evaluation.diversity import measure_diversity
from components.instances import Mask, connected, encode
from components.iou_evaluation.evaluate import evaluate
from components.iou_evaluation.settings import IoUSettings
from components.pictures import grid
from components.record import Record, read_record
from components.synthetic import SyntheticSet, write_annotations
from components.valvano.driver_extraction.extract import extract
from components.valvano.driver_extraction.recipe import read_recipe
from components.valvano.driver_extraction.settings import DriverSettings
from components.valvano.synthesis.plan import make_plan
from components.valvano.synthesis.realise import realise
from components.valvano.synthesis.row import read_plan
from components.valvano.synthesis.settings import PlanSettings

PACKAGES = "torch=2.9.0 numpy=2.1.0"


@dataclass(frozen=True)
class Inputs:
    """What `write` is given."""

    dataset: Path
    drivers: Path
    prior: Path
    concepts: list[Path]
    controls: list[Path]
    plans: list[Path]
    synthetics: list[Path]
    scores: list[Path]
    qualities: list[Path]
    config: str


def record(
    folder: Path,
    step: str,
    label: str = "",
    *,
    scalars: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
    curves: Mapping[str, list[tuple[int, float]]] | None = None,
    sources: Sequence[Path] = (),
    seconds: float = 12.0,
    device_memory: int = 0,
) -> None:
    """Write the record of a step as `components.task` does."""
    lineage: dict[str, Record] = {}
    for source in sources:
        one = read_record(source)
        for each in (*one.lineage, one):
            lineage.setdefault(each.step + each.key, Record(**{**each.__dict__, "lineage": []}))
    name = label or step
    made = Record(
        step, name, f"{hash_text(name)}", f"{hash_text(name + 'out')}", {}, dict(scalars or {}), {},
        dict(metrics or {}), dict(curves or {}), list(warnings), seconds, False, 700 * 2**20,
        device_memory, PACKAGES, list(lineage.values()),
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(json.dumps(asdict(made)))


def hash_text(text: str) -> str:
    """A digest that looks like the store's."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def falling(seed: int, steps: int, start: float) -> list[tuple[int, float]]:
    """A noisy loss curve."""
    rng = np.random.default_rng(seed)
    level = start * (0.25 + 0.75 * np.exp(-np.arange(steps) / (steps / 4)))
    return [(i, float(value)) for i, value in enumerate(level * rng.lognormal(0, 0.25, steps))]


def predictions(dataset: Dataset, hit: float, seed: int) -> list[dict[str, Any]]:
    """Detections of a segmenter that finds each test defect with chance `hit`, roughly."""
    rng = np.random.default_rng(seed)
    document = json.loads((dataset.path / "frames" / "annotations.json").read_text())
    names = {image["file_name"]: image["id"] for image in document["images"]}
    found = []
    for frame in (one for one in dataset.all_frames if one.split == "test"):
        for one in dataset.instances(frame):
            if rng.random() < hit:
                mask = np.roll(one.mask, rng.integers(0, 3, 2), (0, 1))
                found.append(
                    {
                        "image_id": names[frame.file], "category_id": one.label + 1,
                        "segmentation": encode(mask), "bbox": _box(mask),
                        "score": float(rng.uniform(0.3, 1)),
                    }
                )  # fmt: skip
    return found


def build(
    root: Path,
    dataset: Path,
    fractions: Sequence[float],
    seeds: Sequence[int] = (0,),
    hits: Mapping[str, float] | None = None,
    bootstrap: int = 200,
) -> Inputs:
    """A whole run over a dataset artifact, which gets a record."""
    data = Dataset(dataset)
    record(dataset, "data_versioning", "data", metrics={"photos": len(data.photos)})
    drivers, prior = root / "drivers", root / "prior"
    drivers.mkdir()
    extract(drivers, DriverSettings(), dataset)
    record(drivers, "driver_extraction", sources=[dataset])
    record(root / "base", "base_model", warnings=["The base model has never seen this domain."])
    record(prior, "prior", sources=[root / "base"])
    (prior / "preview").mkdir(exist_ok=True)
    write_image(
        prior / "preview" / "class_images.png",
        grid([data.image(one) for one in data.frames("train", defect_free=True)[:8]], 4),
    )
    lists: dict[str, list[Path]] = {
        name: [] for name in ("concepts", "controls", "plans", "synthetics", "scores", "qualities")
    }
    hits = hits or {"real": 0.4, "synthetic": 0.3, "synthetic_then_real": 0.7}
    for fraction in fractions:
        made = _generator(root, data, dataset, prior, drivers, fraction, lists)
        planned = root / f"plan-{fraction:g}"
        planned.mkdir()
        outcome = make_plan(
            planned, PlanSettings(images=16, samples=4), dataset, drivers, fraction, "sks", 0
        )
        record(
            planned,
            "plan",
            f"plan {fraction:g}",
            scalars={"fraction": fraction},
            sources=[dataset, drivers],
            metrics=outcome.metrics,
        )
        lists["plans"].append(planned)
        _synthetic(made, data, drivers, planned)
        record(
            made,
            "synthetic_set",
            f"synthetic set {fraction:g}",
            scalars={"fraction": fraction},
            sources=[dataset, planned, *lists["controls"][-1:]],
        )
        lists["synthetics"].append(made)
        networks = [
            _network(root, data, dataset, fraction, regime, seed, hit * (0.5 + 0.5 * fraction))
            for seed in seeds
            for regime, hit in hits.items()
        ]
        scored = root / f"scores-{fraction:g}"
        scored.mkdir()
        evaluate(scored, IoUSettings(bootstrap=bootstrap), dataset, networks, fraction, 0)
        record(
            scored,
            "iou_evaluation",
            f"iou_evaluation {fraction:g}",
            scalars={"fraction": fraction, "seed": 0},
            sources=networks,
            warnings=["The test part is small."],
        )
        lists["scores"].append(scored)
        judged = root / f"quality-{fraction:g}"
        record(
            judged,
            "fid_evaluation",
            f"fid_evaluation {fraction:g}",
            scalars={"fraction": fraction, "seed": 0},
            sources=[made, networks[0]],
            warnings=["No Inception weights: FID was not computed."],
        )
        (judged / "quality.json").write_text(json.dumps(quality(fraction, made, data)))
        lists["qualities"].append(judged)
    return Inputs(
        dataset, drivers, prior, config=json.dumps({"preset": "smoke", "seed": 0}),
        **lists,
    )  # fmt: skip


@dataclass(frozen=True)
class Detection:
    """What the stand-in for a judge finds."""

    label: int
    score: float
    mask: Mask


class DarkJudge:
    """Stands in for a trained segmenter: takes what is darker than its surroundings."""

    threshold = 0.5

    def detect(self, pictures: Sequence[Image], batch: int = 16) -> list[list[Detection]]:
        """Dark spots of every picture."""
        return [
            [Detection(0, 0.9, one.mask) for one in connected(_dark(picture), 0, 4)[:3]]
            for picture in pictures
        ]


def _dark(picture: Image) -> Mask:
    grey = picture.mean(2)
    return np.asarray(grey < 0.6 * np.median(grey), bool)


def quality(fraction: float, made: Path, data: Dataset) -> dict[str, Any]:
    """A `quality.json` without Inception weights: no FID, all else measured."""
    synthetic = SyntheticSet(made)
    rng = np.random.default_rng(0)
    sets = Sets(*(rng.normal(size=(count, 4)) for count in (16, 9, 12)))
    missing = "The Inception weights were not found."
    entry = {
        name: measure(lambda one, other: 1.5, sets, {"protocol": name}, 0, missing)
        for name in ("fid", "kid", "low_layer_fid")
    }
    adherence, _ = measure_adherence(data, synthetic, DarkJudge(), 1.0, 8, 0)
    return {
        "fraction": fraction,
        **entry,
        "texture_frechet": measure(lambda one, other: 1.5, sets, {"protocol": "texture"}, 0),
        "diversity": measure_diversity(synthetic.images, synthetic.image, 10, 0),
        "adherence": adherence,
    }


def _generator(
    root: Path, data: Dataset, dataset: Path, prior: Path, drivers: Path, fraction: float,
    lists: dict[str, list[Path]],
) -> Path:  # fmt: skip
    concept, control = root / f"concept-{fraction:g}", root / f"control-{fraction:g}"
    seed = round(fraction * 1000)
    record(
        concept,
        "dreambooth",
        f"dreambooth {fraction:g}",
        scalars={"fraction": fraction},
        curves={"loss": falling(seed, 400, 0.4)},
        sources=[dataset, prior],
        seconds=95,
        device_memory=3 * 2**30,
    )
    record(
        control,
        "hypernetwork",
        f"hypernetwork {fraction:g}",
        scalars={"fraction": fraction},
        curves={"loss": falling(seed + 1, 700, 0.3)},
        sources=[dataset, drivers, concept],
        seconds=260,
        device_memory=5 * 2**30,
    )
    lists["concepts"].append(concept)
    lists["controls"].append(control)
    made = root / f"synthetic-{fraction:g}"
    (made / "images").mkdir(parents=True)
    return made


def _synthetic(made: Path, data: Dataset, drivers: Path, planned: Path) -> None:
    """What a crude generator would draw: the source photo with its masks darkened."""
    recipe = read_recipe(drivers)
    rows, instances = [], []
    for row in read_plan(planned):
        real = realise(row, data, recipe)
        rng = np.random.default_rng(row.seed)
        picture = real.picture * rng.uniform(0.8, 1.2) + rng.normal(0, 4, real.picture.shape)
        for one in real.instances:
            picture[one.mask] *= 0.45
        write_image(made / "images" / f"{row.id}.png", picture.clip(0, 255).astype(np.uint8))
        rows.append(asdict(row))
        instances.append(real.instances)
    write_annotations(made, rows, instances, data.resolution, data.classes)


def _network(
    root: Path, data: Dataset, dataset: Path, fraction: float, regime: str, seed: int, hit: float
) -> Path:  # fmt: skip
    path = root / f"net-{fraction:g}-{regime}-{seed}"
    (path / "predictions").mkdir(parents=True)
    (path / "model.json").write_text(json.dumps({"threshold": 0.4}))
    found = predictions(data, hit, seed)
    (path / "predictions" / "test.json").write_text(json.dumps(found))
    number = round(fraction * 100) + 7 * seed + len(regime)
    label = f"mask_rcnn {fraction:g} {regime.replace('_', ' ')}"
    record(
        path,
        "mask_rcnn",
        label if seed == 0 else f"{label} {seed}",
        scalars={"fraction": fraction, "regime": regime, "seed": seed},
        sources=[dataset],
        curves={
            "loss": falling(number, 500, 2.0),
            "validation": [(i * 100, 0.05 * i) for i in range(1, 5)],
        },
        metrics={"val_segm_map": float("nan")},
        seconds=140,
    )
    return path


def _box(mask: Any) -> list[float]:
    from components.instances import box

    return [float(value) for value in box(mask)]
