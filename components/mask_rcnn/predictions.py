"""Predictions: made frame by frame, in COCO's form, and scored on the validation part."""

import contextlib
import io
import json
from collections.abc import Sequence
from typing import Any

from components.dataset import Dataset, Frame, Split
from components.instances import encode, to_coco
from components.mask_rcnn.backend import Backend, Detection
from components.mask_rcnn.batches import stack
from components.progress import track

_BATCH = 16


def all_frames(dataset: Dataset, split: Split) -> list[Frame]:
    """All frames of a part, annotated and defect-free, in the order of their ids."""
    return [frame for frame in dataset.all_frames if frame.split == split]


def detect(backend: Backend, dataset: Dataset, frames: Sequence[Frame]) -> list[list[Detection]]:
    """Detections of every frame, in the order of the frames."""
    found: list[list[Detection]] = []
    starts = range(0, len(frames), _BATCH)
    for start in track(starts, "predicting", unit="batches"):
        pictures = [dataset.image(frame) for frame in frames[start : start + _BATCH]]
        found += backend.detect(stack(pictures))
    return found


def results(numbers: Sequence[int], found: Sequence[Sequence[Detection]]) -> list[dict[str, Any]]:
    """Detections as COCO results.

    Args:
        numbers: Image id of every frame.
        found: Its detections.
    """
    return [
        {
            "image_id": number,
            "category_id": one.label + 1,
            "segmentation": encode(one.mask),
            "bbox": [round(side, 3) for side in one.box],
            "score": one.score,
        }
        for number, detections in zip(numbers, found, strict=True)
        for one in detections
    ]


def image_ids(dataset: Dataset, frames: Sequence[Frame]) -> list[int]:
    """The frames' image ids in the dataset's `frames/annotations.json`."""
    document = json.loads((dataset.path / "frames" / "annotations.json").read_text())
    known = {image["file_name"]: int(image["id"]) for image in document["images"]}
    return [known[frame.file] for frame in frames]


def segm_ap50(
    dataset: Dataset, frames: Sequence[Frame], found: Sequence[Sequence[Detection]]
) -> float:
    """COCO average precision of the masks at IoU 0.5, mean over the classes seen, 0 .. 1.

    0 where nothing is detected, and where the frames hold no defect at all.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    side = dataset.resolution
    names = [(frame.file, side, side) for frame in frames]
    predicted = results(range(1, len(frames) + 1), found)
    if not predicted:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = to_coco(names, [dataset.instances(one) for one in frames], dataset.classes)
        truth.createIndex()
        scoring = COCOeval(truth, truth.loadRes(predicted), "segm")
        scoring.params.iouThrs = scoring.params.iouThrs[:1]
        scoring.evaluate()
        scoring.accumulate()
    precision = scoring.eval["precision"][0, :, :, 0, -1]  # (recall points, classes)
    seen = precision[precision > -1]
    return float(seen.mean()) if seen.size else 0.0
