"""Average precision: by hand, and COCOeval's own numbers, for the whole part and for resamples."""

import contextlib
import copy
import io

import numpy as np
import pytest
from iou_scenes import CLASSES, SIDE, detection, opened, random_scene, rectangle, write_test_part
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from components.instances import Instance
from components.iou_evaluation.average_precision import average_precision
from components.iou_evaluation.bootstrap import interval, luck, resample
from components.iou_evaluation.matching import match
from components.iou_evaluation.truth import read_truth


def stock(coco, predictions, kind):
    """COCOeval as its users call it, with all its sizes and limits."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(predictions)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def drawn(coco, predictions, images):
    """A COCO document with its images repeated, and the predictions for it."""
    document = {**coco.dataset, "images": [], "annotations": []}
    results = []
    for number, image in enumerate(images, start=1):
        document["images"].append({"id": number, "height": SIDE, "width": SIDE})
        for one in coco.imgToAnns[image]:
            annotations = document["annotations"]
            annotations.append({**one, "image_id": number, "id": len(annotations) + 1})
        results.extend(
            {**one, "image_id": number} for one in predictions if one["image_id"] == image
        )
    with contextlib.redirect_stdout(io.StringIO()):
        repeated = COCO()
        repeated.dataset = document
        repeated.createIndex()
    return repeated, results


def scene(tmp_path, seed, **options):
    truth, predictions = random_scene(seed, **options)
    groups = [f"g{number:03d}" for number in range(len(truth))]
    return read_truth(opened(write_test_part(tmp_path, truth, groups))), predictions


@pytest.mark.parametrize("kind", ["segm", "bbox"])
@pytest.mark.parametrize("seed", range(4))
def test_the_whole_part_has_cocoevals_numbers_exactly(tmp_path, seed, kind):
    truth, predictions = scene(tmp_path, seed)
    expected = stock(truth.coco, predictions, kind)
    whole = np.ones((1, truth.units), int)

    found = average_precision(match(truth, predictions, kind).classes, whole)

    assert 0.05 < expected.stats[0] < 1
    assert found.overall[0] == expected.stats[0]
    assert found.overall_50[0] == expected.stats[1]
    for label in range(len(CLASSES)):
        table = expected.eval["precision"][:, :, label, 0, -1]
        assert found.by_class[0, label] == table.mean()


@pytest.mark.parametrize("seed", range(3))
def test_a_resample_has_the_numbers_of_cocoeval_run_on_the_drawn_images(tmp_path, seed):
    truth, predictions = scene(tmp_path, seed)
    weights = resample(truth.units, 6, seed)
    found = average_precision(match(truth, predictions, "segm").classes, weights, chunk=4)
    for row, counts in enumerate(weights):
        images = np.repeat(sorted(truth.frames), counts).tolist()

        expected = stock(*drawn(truth.coco, predictions, images), "segm")

        assert found.overall[row] == pytest.approx(expected.stats[0], abs=1e-12)
        assert found.overall_50[row] == pytest.approx(expected.stats[1], abs=1e-12)


def test_by_hand(tmp_path):
    """Two defects; ranked detections: right, wrong, right with IoU 0.8 of the second."""
    first, second = rectangle(2, 2, 10, 10), rectangle(30, 30, 10, 10)
    instances = [[Instance(first, 0), Instance(second, 0)], []]
    truth = read_truth(opened(write_test_part(tmp_path, instances, ["a", "b"])))
    predictions = [
        detection(1, 0, first, 0.9),
        detection(2, 0, first, 0.8),
        detection(1, 0, rectangle(30, 30, 10, 8), 0.7),
    ]

    found = average_precision(match(truth, predictions, "segm").classes, np.array([[1, 1], [1, 0]]))

    # Recalls 0 .. .5 (51 of 101) at precision 1, the rest at 2/3 where IoU .8 counts.
    at_50 = (51 * 1 + 50 * 2 / 3) / 101
    assert found.overall_50[0] == pytest.approx(at_50)
    # Thresholds .50 to .80 accept the third detection, .85 to .95 do not.
    assert found.overall[0] == pytest.approx((7 * at_50 + 3 * 51 / 101) / 10)
    # Without the second photo there is no false detection.
    assert found.overall_50[1] == pytest.approx(1)
    assert np.isnan(found.by_class[:, 1:]).all()


def test_no_detections_is_0_and_no_defects_is_nothing(tmp_path):
    truth, _ = scene(tmp_path / "some", 1, detections=False)
    nothing = read_truth(opened(write_test_part(tmp_path / "none", [[], []], ["a", "b"])))

    found = average_precision(match(truth, [], "segm").classes, np.ones((2, truth.units), int))
    none = average_precision(match(nothing, [], "segm").classes, np.ones((2, 2), int))

    assert found.overall.tolist() == [0, 0]
    assert np.isnan(none.overall).all()


def test_resamples_are_seeded_and_draw_as_many_as_there_are():
    one, again, other = resample(7, 50, 3), resample(7, 50, 3), resample(7, 50, 4)

    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert (one.sum(1) == 7).all()
    assert resample(0, 5, 1).shape == (0, 0)


def test_percentile_interval_leaves_out_resamples_without_a_value():
    values = np.array([np.nan, *np.arange(101)])

    assert interval(values, 0.9) == pytest.approx([5, 95])
    assert interval(np.full(3, np.nan), 0.9) is None


def test_the_luck_of_trainings_gives_students_interval():
    """Without the luck of photos, the textbook's interval of a mean."""
    values = np.array([0.20, 0.23, 0.21, 0.26])

    low, high = interval(values.mean() + luck(values, 200_000, 0), 0.95)

    half = 3.182446 * values.std(ddof=1) / 2
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=1e-3)


def test_one_training_tells_nothing_of_its_luck():
    assert not luck(np.array([0.2]), 5, 0).any()
    assert luck(np.array([0.2, 0.2]), 0, 0).shape == (0,)


def test_a_part_of_an_average_is_never_drawn_apart(tmp_path):
    """Photos of one group are one unit."""
    truth, _ = random_scene(2, images=6)
    read = read_truth(opened(write_test_part(tmp_path, truth, ["a", "a", "b", "b", "b", "c"])))

    assert read.units == 3
    assert [read.unit[image] for image in range(1, 7)] == [0, 0, 1, 1, 1, 2]
