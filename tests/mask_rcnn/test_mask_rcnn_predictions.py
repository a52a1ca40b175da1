"""Predictions in COCO's form, and their score."""

from pathlib import Path

import pytest
from pycocotools.coco import COCO

from components.dataset import Dataset
from components.instances import box, decode
from components.mask_rcnn.backend import Detection
from components.mask_rcnn.predictions import all_frames, image_ids, results, segm_ap50


def perfect(data: Dataset, shift: int = 0) -> list[list[Detection]]:
    return [
        [
            Detection((one.label + shift) % len(data.classes), 0.9, one.mask, box(one.mask))
            for one in data.instances(frame)
        ]
        for frame in all_frames(data, "val")
    ]


def test_the_score_of_the_truth_is_one_and_of_nothing_is_zero(dataset: Path) -> None:
    data = Dataset(dataset)
    frames = all_frames(data, "val")
    assert segm_ap50(data, frames, perfect(data)) == pytest.approx(1)
    assert segm_ap50(data, frames, [[] for _ in frames]) == 0
    assert segm_ap50(data, frames, perfect(data, shift=1)) == 0


def test_a_surer_false_alarm_halves_the_score(dataset: Path) -> None:
    data = Dataset(dataset)
    frames = [frame for frame in all_frames(data, "val") if not frame.defect_free][:1]
    truth = data.instances(frames[0])[0]
    wrong = Detection(truth.label, 0.95, ~truth.mask, (0, 0, 32, 32))
    right = Detection(truth.label, 0.9, truth.mask, box(truth.mask))
    assert len(data.instances(frames[0])) == 1
    assert segm_ap50(data, frames, [[wrong, right]]) == pytest.approx(0.5)


def test_results_name_the_frames_as_the_dataset_does(dataset: Path) -> None:
    data = Dataset(dataset)
    frames = all_frames(data, "val")
    assert {frame.defect_free for frame in frames} == {True, False}
    written = results(image_ids(data, frames), perfect(data))
    coco = COCO(str(dataset / "frames" / "annotations.json"))
    loaded = coco.loadRes(written)
    by_file = {frame.file: frame for frame in frames}
    assert written
    for one in loaded.dataset["annotations"]:
        frame = by_file[coco.imgs[one["image_id"]]["file_name"]]
        masks = [instance.mask for instance in data.instances(frame)]
        mask = decode(one["segmentation"], data.resolution, data.resolution)
        assert any((mask == other).all() for other in masks)
