from typing import Any

import pytest

from components.report.verdict import METRIC, REGIME, Comparison, comparisons, lead, verdict

SEVERAL, ONE = (0, 1, 2), (0,)
"""Seeds of the trainings."""


def compared(
    low: float | None,
    high: float | None,
    metric: str = "segm_map",
    seeds: tuple[int, ...] = SEVERAL,
    fraction: float = 0.1,
) -> Comparison:
    middle = None if low is None or high is None else (low + high) / 2
    return Comparison(fraction, "synthetic_then_real", metric, middle, low, high, seeds)


@pytest.mark.parametrize(
    ("low", "high", "metric", "word"),
    [
        (0.01, 0.03, "segm_map", "helps"),
        (-0.03, -0.01, "segm_map", "harms"),
        (-0.01, 0.03, "segm_map", "no measurable difference"),
        (0.0, 0.03, "segm_map", "no measurable difference"),
        (-0.3, -0.1, "hausdorff", "helps"),
        (0.1, 0.3, "hausdorff", "harms"),
        (0.1, 0.3, "false_alarms", "harms"),
        (None, None, "segm_map", "not measured"),
    ],
)
def test_the_interval_decides(low: float, high: float, metric: str, word: str) -> None:
    assert compared(low, high, metric).word == word


@pytest.mark.parametrize(
    ("low", "high", "metric", "word"),
    [
        (0.01, 0.03, "segm_map", "better this time"),
        (-0.03, -0.01, "segm_map", "worse this time"),
        (-0.01, 0.03, "segm_map", "no measurable difference"),
        (-0.3, -0.1, "hausdorff", "better this time"),
        (0.1, 0.3, "false_alarms", "worse this time"),
        (None, None, "segm_map", "not measured"),
    ],
)
def test_one_training_of_each_shows_neither_help_nor_harm(
    low: float, high: float, metric: str, word: str
) -> None:
    """Its interval does not know the luck of a training."""
    assert compared(low, high, metric, ONE).word == word


def test_only_mask_map_of_synthetic_then_real_decides() -> None:
    others = [
        compared(0.5, 0.6, "bbox_map"),
        Comparison(0.1, "synthetic", "segm_map", 0.5, 0.4, 0.6, (0,)),
        Comparison(1.0, "synthetic_then_real", "segm_map", 0.5, 0.4, 0.6, (0,)),
    ]
    assert verdict(others, 0.1, 0.95).word == "not measured"
    assert verdict([*others, compared(-0.02, 0.01)], 0.1, 0.95).word == "no measurable difference"


def test_the_sentence_has_the_numbers() -> None:
    said = verdict([compared(0.012, 0.034)], 0.1, 0.9).sentence
    assert "+0.023" in said and "0.012–0.034" in said and "90 %" in said


def test_a_difference_without_bootstrap_is_not_called_a_gain() -> None:
    one = Comparison(0.1, "synthetic_then_real", "segm_map", 0.4, None, None, (0,))
    found = verdict([one], 0.1, 0.95)
    assert found.word == "not measured"
    assert "cannot be told from chance" in found.sentence


def test_the_lead_tells_gains_harms_and_neither_apart() -> None:
    gain = verdict([compared(0.01, 0.02)], 0.1, 0.95)
    loss = verdict([compared(-0.02, -0.01)], 0.1, 0.95)
    none = verdict([compared(-0.02, 0.01)], 0.1, 0.95)
    assert "helped with 10 %" in lead([gain, none]) and "elsewhere" in lead([gain, none])
    assert "harmed with 10 %" in lead([loss]) and "elsewhere" not in lead([loss])
    assert "no share" in lead([none]).replace("At no", "no")
    assert "No segmenter" in lead([])


def test_the_lead_says_how_luck_is_told_where_it_matters() -> None:
    better = verdict([compared(0.01, 0.02, seeds=ONE)], 0.1, 0.95)
    worse = verdict([compared(-0.02, -0.01, seeds=ONE, fraction=1.0)], 1.0, 0.95)
    none = verdict([compared(-0.02, 0.01, seeds=ONE)], 0.1, 0.95)
    said = lead([better, worse])
    assert "better this time with 10 %" in said and "worse this time with 100 %" in said
    assert "--set run.repeats=3" in said
    assert "run.repeats" not in lead([none])
    assert "run.repeats" not in lead([verdict([compared(0.01, 0.02)], 0.1, 0.95)])


def test_differences_are_read_from_scores() -> None:
    gap = {"difference": 0.1, "interval": [0.05, 0.2], "better": 0.99}
    score: dict[str, Any] = {"mean": 0.3, "sd": None, "interval": None}
    scores = {
        "protocol": {"definitions": {"segm_map": "", "iou": ""}},
        "regimes": [
            {"fraction": 0.1, "regime": "real", "seeds": [1, 2], "segm_map": score, "iou": score},
            {"fraction": 0.1, "regime": "synthetic", "seeds": [1, 2],
             "segm_map": {**score, "against_real": gap},
             "iou": {**score, "against_real": {**gap, "difference": None, "interval": None}}},
        ],
    }  # fmt: skip
    first, second = comparisons(scores)
    assert first == Comparison(0.1, "synthetic", "segm_map", 0.1, 0.05, 0.2, (1, 2))
    assert second.difference is None and second.word == "not measured"


def test_the_other_metrics_stand_beside_and_decide_nothing() -> None:
    def of(metric: str, difference: float, low: float, high: float) -> Comparison:
        return Comparison(0.1, REGIME, metric, difference, low, high, (0,))

    found = verdict(
        [
            of("hausdorff", -0.2, -0.3, -0.1),
            of(METRIC, 0.01, -0.02, 0.03),
            of("iou", 0.1, 0.05, 0.2),
        ],
        0.1,
        0.95,
    )
    assert found.word == "no measurable difference"
    assert found.beside == (
        "IoU +0.100 (0.050–0.200); Hausdorff distance −0.200 (−0.300 to −0.100, lower is better)"
    )
