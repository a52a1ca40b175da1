"""The step: score a synthetic set against real photos, against itself, and against its masks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.dataset import Dataset
from components.fid_evaluation.adherence import measure_adherence
from components.fid_evaluation.distance import Sets, measure
from components.fid_evaluation.diversity import measure_diversity
from components.fid_evaluation.frechet import frechet_distance
from components.fid_evaluation.inception import inception_distances, real_frames
from components.fid_evaluation.preview import draw_best_and_worst
from components.fid_evaluation.settings import FIDSettings
from components.fid_evaluation.texture import WIDTH, standardise, texture_features
from components.fid_evaluation.weights import Weights, find_weights
from components.mask_rcnn.predict import Segmenter
from components.outcome import Outcome
from components.progress import track
from components.synthetic import SyntheticSet

Entry = dict[str, Any]

FEW = 2048
"""Below this many images the covariance of the 2048 deep features has no full rank."""


def evaluate(
    out: Path,
    settings: FIDSettings,
    dataset: Path,
    synthetic: Path,
    judge: Path,
    fraction: float,
    seed: int,
) -> Outcome:
    """Score a synthetic set.

    Args:
        out: Receives `quality.json` and `preview/best_worst.png`.
        settings: The step's settings.
        dataset: The dataset artifact.
        synthetic: The synthetic set.
        judge: A segmenter trained on real photos.
        fraction: Fraction of the real data that the set was made from.
        seed: Seed of all samples drawn here.
    """
    data, images = Dataset(dataset), SyntheticSet(synthetic)
    weights = find_weights(settings)
    adherence, found = measure_adherence(
        data, images, Segmenter.load(judge), fraction, settings.batch, seed
    )
    document = {
        "fraction": fraction,
        **inception_distances(data, images, weights, settings, seed),
        "texture_frechet": _texture_distance(data, images, seed),
        "diversity": measure_diversity(
            images.images, images.image, settings.diversity_drivers, seed
        ),
        "adherence": adherence,
    }
    (out / "quality.json").write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    draw_best_and_worst(out / "preview" / "best_worst.png", found, len(data.classes))
    return Outcome(metrics=_metrics(document), warnings=_warnings(document, weights))


def _texture_distance(data: Dataset, images: SyntheticSet, seed: int) -> Entry:
    held_out, train = (
        np.array([texture_features(data.image(frame)) for frame in frames]).reshape(-1, WIDTH)
        for frames in real_frames(data)
    )
    rows = track(images.images, "texture", unit="images")
    synthetic = np.array([texture_features(images.image(row)) for row in rows]).reshape(-1, WIDTH)
    if len(held_out):
        synthetic, train, held_out = (
            standardise(one, held_out) for one in (synthetic, train, held_out)
        )
    protocol = {
        "protocol": f"squared Frechet distance of {WIDTH} fixed texture features, each in standard "
        "deviations of the reference; needs no weights; not a FID"
    }
    return measure(frechet_distance, Sets(synthetic, held_out, train), protocol, seed)


def _metrics(document: Entry) -> dict[str, float]:
    adherence = document["adherence"]
    values = {
        **{
            name: document[name]["value"]
            for name in ("fid", "kid", "low_layer_fid", "texture_frechet")
        },
        "diversity_l2": document["diversity"]["l2"],
        "diversity_mutual_information": document["diversity"]["mutual_information"],
        "adherence_found": adherence["judge"]["found"],
        "adherence_reported": adherence["judge"]["reported"],
        "adherence_iou": adherence["judge"]["iou"],
        "adherence_stands_out": adherence["contrast"]["stands_out"],
        "adherence_accepted": adherence["accepted"]["share"],
        "adherence_accepted_found": adherence["accepted"]["found"],
    }
    return {name: float(one) for name, one in values.items() if one is not None}


def _warnings(document: Entry, weights: Weights) -> list[str]:
    found: list[str] = []
    fid, adherence = document["fid"], document["adherence"]
    if weights.reason:
        found.append(f"FID, KID and low-layer FID were not computed. {weights.reason}")
    elif weights.published is False:
        found.append(
            f"The file of Inception weights is not the published {fid['weights']}: its FID and "
            "KID cannot be compared with anybody else's."
        )
    if fid["rank_deficient"]:
        found.append(
            f"FID of {fid['n_synthetic']} against {fid['n_reference']} images: below {FEW} images "
            "it depends on their number more than on their quality. Read KID."
        )
    found.extend(_adherence_warnings(adherence))
    return found


def _adherence_warnings(adherence: Entry) -> Sequence[str]:
    real, share = adherence["real"]["judge"]["found"], adherence["accepted"]["share"]
    found = []
    if adherence["contrast_reason"]:
        found.append(f"Whether masks stand out was not measured: {adherence['contrast_reason']}.")
    if real is not None and real < 0.5:
        found.append(
            f"The judge of adherence finds only {real:.0%} of the real validation frames' "
            "defects; read its verdict on synthetic images against that."
        )
    if share is not None and share < 0.5:
        found.append(
            f"Only {share:.0%} of the synthetic images show enough in their mask to be accepted."
        )
    return found
