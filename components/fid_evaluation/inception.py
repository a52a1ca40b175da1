"""FID, KID and low-layer FID of a synthetic set."""

from collections.abc import Callable
from typing import Any

import numpy as np

from components.dataset import Dataset, Frame, Image
from components.fid_evaluation.distance import Sets, measure
from components.fid_evaluation.features import Features, Inception, extract, load_inception
from components.fid_evaluation.frechet import frechet_distance
from components.fid_evaluation.kernel import LARGEST, SUBSETS, kernel_distance
from components.fid_evaluation.settings import FIDSettings
from components.fid_evaluation.weights import Weights, file_name
from components.progress import track
from components.synthetic import SyntheticSet

Entry = dict[str, Any]


def real_frames(data: Dataset) -> tuple[list[Frame], list[Frame]]:
    """The annotated frames that images are compared with: held out, and of training."""
    return [*data.frames("val"), *data.frames("test")], data.frames("train")


def inception_distances(
    data: Dataset, images: SyntheticSet, weights: Weights, settings: FIDSettings, seed: int
) -> dict[str, Entry]:
    """The entries `fid`, `kid` and `low_layer_fid` of `quality.json`.

    Args:
        data: The dataset.
        images: The synthetic set.
        weights: The file of weights, or why there is none; then every value is None.
        settings: The step's settings.
        seed: Seed of the samples drawn here.
    """
    if weights.path is None:
        deep = low = _without_features(data, images)
        low_reason = weights.reason
    else:
        network = load_inception(weights, settings.mode)
        deep, low = _features(data, images, network, settings.batch)
        low_reason = network.low_reason
    protocols = _protocols(weights, settings.mode)

    def kid(one: Any, other: Any) -> float:
        return kernel_distance(one, other, seed)

    return {
        "fid": measure(frechet_distance, deep, protocols["fid"], seed, weights.reason),
        "kid": measure(kid, deep, protocols["kid"], seed, weights.reason),
        "low_layer_fid": measure(
            frechet_distance, low, protocols["low_layer_fid"], seed, low_reason
        ),
    }


def _features(
    data: Dataset, images: SyntheticSet, network: Inception, batch: int
) -> tuple[Sets, Sets]:
    """Deep and low-layer features of the three sets."""
    rows = images.images
    held_out, train = real_frames(data)

    def of(what: str, count: int, read: Callable[[int], Image]) -> Features:
        return extract(
            network,
            count,
            read,
            batch,
            lambda batches: track(batches, f"features, {what}", unit="batches"),
        )

    found = [
        of("synthetic images", len(rows), lambda number: images.image(rows[number])),
        of("held-out frames", len(held_out), lambda number: data.image(held_out[number])),
        of("training frames", len(train), lambda number: data.image(train[number])),
    ]
    return Sets(*(one.deep for one in found)), Sets(*(one.low for one in found))


def _without_features(data: Dataset, images: SyntheticSet) -> Sets:
    """Sets of the right sizes, so that an entry without a value still says what it was to be of."""
    sizes = (len(images.images), *(len(frames) for frames in real_frames(data)))
    return Sets(*(np.zeros((size, 0)) for size in sizes))


def _protocols(weights: Weights, mode: str) -> dict[str, Entry]:
    network: Entry = {
        "mode": mode,
        "weights": file_name(mode),
        "weights_sha256": weights.digest,
        "weights_published": weights.published,
    }
    return {
        "fid": {
            "protocol": f"clean-fid, mode {mode}: squared Frechet distance of 2048 Inception "
            "features",
            **network,
        },
        "kid": {
            "protocol": f"clean-fid, mode {mode}: unbiased squared maximum mean discrepancy of "
            f"2048 Inception features, cubic kernel, mean over {SUBSETS} subsets of at most "
            f"{LARGEST} images",
            **network,
        },
        "low_layer_fid": {
            "protocol": f"pictures resized as in clean-fid's mode {mode}: squared Frechet distance "
            "of the 64 features behind Inception's first pooling layer, as DIAG reports it; not "
            "to be compared with a FID",
            **network,
        },
    }
