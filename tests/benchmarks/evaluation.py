"""Evaluation against pycocotools and scipy: `python tests/benchmarks/evaluation.py`.

Three ratios, each above 1 where ours is faster: one mAP, its bootstrap interval (COCOeval
accumulated anew for every resample, timed on a few and scaled), and Hausdorff distances.
"""

import contextlib
import io
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.cocoeval import COCOeval
from scipy.spatial.distance import directed_hausdorff

from components.iou_evaluation.average_precision import average_precision
from components.iou_evaluation.bootstrap import resample
from components.iou_evaluation.matching import match
from components.iou_evaluation.overlap import hausdorff
from components.iou_evaluation.truth import read_truth

sys.path.insert(0, str(Path(__file__).parents[1] / "iou_evaluation"))
from iou_scenes import opened, random_scene, write_test_part

IMAGES = 300
RESAMPLES = 1000
ROUNDS = 3


def seconds(call: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Shortest of a few times."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            call()
        times.append(time.perf_counter() - started)
    return min(times)


def line(what: str, ours: float, theirs: float, other: str) -> None:
    print(
        f"{what:<44} {ours * 1e3:9.1f} ms  {other} {theirs * 1e3:9.1f} ms  {theirs / ours:7.1f} x"
    )


def precision(folder: Path) -> None:
    instances, predictions = random_scene(0, images=IMAGES)
    groups = [f"g{number}" for number in range(IMAGES)]
    truth = read_truth(opened(write_test_part(folder, instances, groups)))

    def stock() -> COCOeval:
        results = truth.coco.loadRes([dict(one) for one in predictions])
        evaluation = COCOeval(truth.coco, results, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return evaluation

    def ours() -> float:
        whole = np.ones((1, truth.units), int)
        found = average_precision(match(truth, predictions, "segm").classes, whole)
        return float(found.overall[0])

    with contextlib.redirect_stdout(io.StringIO()):
        expected = stock()
    if ours() != expected.stats[0]:
        raise RuntimeError(f"{ours()} is not COCOeval's {expected.stats[0]}")
    what = f"mask mAP, {IMAGES} frames, {truth.instances} defects"
    line(what, seconds(ours), seconds(stock), "COCOeval")

    classes = match(truth, predictions, "segm").classes
    weights = resample(truth.units, RESAMPLES, 0)
    accumulated = seconds(expected.accumulate) * RESAMPLES
    fast = seconds(lambda: average_precision(classes, weights))
    line(f"its interval, {RESAMPLES} resamples", fast, accumulated, "COCOeval")


def distances() -> None:
    rng = np.random.default_rng(0)
    side, count = 512, 20
    masks = []
    for _ in range(count):
        mask = np.zeros((side, side), bool)
        x, y, w, h = rng.integers(40, 200, 4)
        mask[y : y + h, x : x + w] = True
        masks.append(mask)
    pairs = list(itertools.pairwise(masks))

    def scipys() -> None:
        for pair in pairs:
            one, other = (np.argwhere(mask) for mask in pair)
            max(directed_hausdorff(one, other)[0], directed_hausdorff(other, one)[0])

    ours = seconds(lambda: [hausdorff(*pair) for pair in pairs])
    line(f"Hausdorff distance, {len(pairs)} pairs at {side} px", ours, seconds(scipys), "scipy")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        precision(Path(folder))
    distances()
