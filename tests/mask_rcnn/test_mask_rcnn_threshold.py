"""The threshold against hand-computed cases and against trying every score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.instances import Instance, Mask
from components.mask_rcnn.backend import Detection
from components.mask_rcnn.threshold import choose, iou


def square(x: int, width: int = 4) -> Mask:
    mask = np.zeros((8, 40), bool)
    mask[2:6, x : x + width] = True
    return mask


def seen(score: float, x: int, label: int = 0, width: int = 4) -> Detection:
    return Detection(label, score, square(x, width), (x, 2, width, 4))


def test_overlap_of_squares() -> None:
    assert iou(square(0), square(2)) == pytest.approx(2 / 6)
    assert iou(square(0), square(10)) == 0
    assert iou(square(0, 0), square(0, 0)) == 0


def test_the_threshold_lies_above_the_false_alarms() -> None:
    truth = [[Instance(square(0), 0)], [Instance(square(10), 1)], []]
    found = [[seen(0.9, 0)], [seen(0.8, 10, 1), seen(0.3, 20)], [seen(0.4, 0)]]
    chosen = choose(truth, found)
    assert chosen is not None
    assert (chosen.score, chosen.f1, chosen.overlap) == (0.8, 1.0, 0.5)


def test_a_defect_is_found_once_and_in_its_class_only() -> None:
    truth = [[Instance(square(0), 0), Instance(square(10), 0)]]
    found = [[seen(0.9, 0), seen(0.8, 0), seen(0.7, 10, 1)]]
    chosen = choose(truth, found)
    assert chosen is not None
    # One true positive; with it alone F1 = 2 / (1 + 2).
    assert (chosen.score, chosen.f1) == (0.9, pytest.approx(2 / 3))


def test_the_lenient_overlap_is_the_second_choice() -> None:
    truth = [[Instance(square(0), 0)]]
    chosen = choose(truth, [[seen(0.6, 2)]])  # IoU 1/3
    assert chosen is not None and chosen.overlap == 0.3
    assert choose(truth, [[seen(0.6, 3)]]) is None  # IoU 1/7
    assert choose(truth, [[]]) is None


SPOTS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0.1, 0.2, 0.5, 0.9])), max_size=8)


@given(st.lists(st.tuples(st.sets(st.integers(0, 9), max_size=5), SPOTS), min_size=1, max_size=4))
def test_no_other_threshold_is_better(images: list) -> None:
    truth = [[Instance(square(4 * x), 0) for x in defects] for defects, _ in images]
    found = [[seen(score, 4 * x) for x, score in spots] for _, spots in images]
    chosen = choose(truth, found)
    scores = sorted({one.score for detections in found for one in detections})

    def f1(least: float) -> float:
        kept = [{one.box[0] for one in d if one.score >= least} for d in found]
        count = sum(one.score >= least for d in found for one in d)
        # Squares either coincide or do not touch.
        right = sum(
            len(k & {4 * x for x in defects}) for k, (defects, _) in zip(kept, images, strict=True)
        )
        return 2 * right / (count + sum(map(len, truth)))

    best = max(map(f1, scores), default=0.0)
    if chosen is None:
        assert best == 0
    else:
        assert chosen.f1 == pytest.approx(best) == pytest.approx(f1(chosen.score))
