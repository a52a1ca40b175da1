"""The step: what `scores.json` says, also where there is nothing to say."""

import json
import math
import subprocess
import sys

import pytest
from iou_scenes import detection, random_scene, rectangle, write_network, write_test_part

from components.instances import Instance
from components.iou_evaluation.evaluate import SHOWN, evaluate
from components.iou_evaluation.settings import IoUSettings

SETTINGS = IoUSettings(bootstrap=40)


def run(out, dataset, networks, settings=SETTINGS):
    out.mkdir()
    outcome = evaluate(
        out=out, settings=settings, dataset=dataset, networks=networks, fraction=0.1, seed=5
    )
    return outcome, json.loads((out / "scores.json").read_text())


@pytest.fixture
def by_hand(tmp_path):
    """Three photos: a half-found crack, a missed pit, a defect-free one with a false alarm."""
    crack, pit = rectangle(0, 0, 8, 3), rectangle(20, 20, 6, 6)
    dataset = write_test_part(
        tmp_path / "data", [[Instance(crack, 0)], [Instance(pit, 1)], []], ["a", "b", "c"]
    )
    found = [
        detection(1, 0, rectangle(0, 0, 6, 3), 0.9),
        detection(1, 0, rectangle(30, 30, 8, 8), 0.4),
        detection(2, 0, pit, 0.9),
        detection(3, 1, pit, 0.6),
    ]
    return dataset, found


def test_strict_and_matched_definitions_by_hand(tmp_path, by_hand):
    dataset, found = by_hand
    network = write_network(tmp_path / "net", "real", 0, found)

    _, scores = run(tmp_path / "out", dataset, [network])

    row = scores["rows"][0]
    # 6 of 8 columns: the two missing ones are at most 2 px away; the 0.4 is below the threshold.
    distance = 2 / (48 * 2**0.5)
    assert row["per_class"]["crack"]["iou"] == pytest.approx(18 / 24)
    assert row["per_class"]["crack"]["hausdorff"] == pytest.approx(distance)
    # Found, but as the wrong class: nothing is detected of the pit.
    assert row["per_class"]["pit"]["iou"] == 0
    assert row["per_class"]["pit"]["hausdorff"] == 1
    assert row["per_class"]["spall"]["iou"] is None
    assert row["per_class"]["spall"]["segm_map"] is None
    assert row["per_class"]["spall"]["instances"] == 0
    assert row["iou"] == pytest.approx(0.75 / 2)
    assert row["hausdorff"] == pytest.approx((distance + 1) / 2)
    assert row["iou_matched"] == pytest.approx(0.75)
    assert row["hausdorff_matched"] == pytest.approx(distance)
    assert row["matched"] == pytest.approx(0.5)
    assert row["false_alarms"] == 1
    assert (row["images"], row["photos"], row["fraction"]) == (3, 3, 0.1)
    assert scores["protocol"]["defect_free_frames"] == 1
    assert scores["protocol"]["instances"] == 2
    assert (tmp_path / "out" / "preview" / "predictions.png").is_file()


def test_rows_intervals_and_the_comparison_with_real(tmp_path):
    truth, found = random_scene(7, images=14)
    dataset = write_test_part(tmp_path / "data", truth, [f"g{i}" for i in range(14)])
    perfect = [
        detection(image, one.label, one.mask, 0.9)
        for image, some in enumerate(truth, start=1)
        for one in some
    ]
    networks = [
        write_network(tmp_path / "a", "synthetic_then_real", 1, perfect),
        write_network(tmp_path / "b", "real", 1, found),
        write_network(tmp_path / "c", "synthetic", 1, found),
    ]

    outcome, scores = run(tmp_path / "out", dataset, networks)

    real, synthetic, both = scores["rows"]
    assert [one["regime"] for one in scores["rows"]] == ["real", "synthetic", "synthetic_then_real"]
    assert both["segm_map"] == pytest.approx(1)
    assert both["iou"] == 1 and both["hausdorff"] == 0
    assert real["against_real"] is None
    low, high = real["intervals"]["segm_map"]
    assert low < real["segm_map"] < high
    gain = both["against_real"]["segm_map"]
    assert gain["difference"] == pytest.approx(1 - real["segm_map"])
    assert gain["interval"][0] > 0 and gain["better"] == 1
    # Less is better for a distance.
    assert both["against_real"]["hausdorff"]["difference"] < 0
    assert both["against_real"]["hausdorff"]["better"] == 1
    # The same detections are neither better nor worse.
    tie = synthetic["against_real"]["segm_map"]
    assert tie == {"difference": 0, "interval": [0, 0], "better": 0.5}
    assert outcome.metrics["segm_map_real"] == real["segm_map"]


def test_seeds_of_a_regime_are_averaged(tmp_path):
    truth, found = random_scene(3)
    dataset = write_test_part(tmp_path / "data", truth, [f"g{i}" for i in range(12)])
    networks = [
        write_network(tmp_path / "a", "real", 0, found),
        write_network(tmp_path / "b", "real", 1, found[::2]),
        write_network(tmp_path / "c", "synthetic", 0, found),
        write_network(tmp_path / "d", "synthetic", 1, found),
    ]

    _, scores = run(tmp_path / "out", dataset, networks)

    values = [one["segm_map"] for one in scores["rows"]]
    real, synthetic = scores["regimes"]
    assert real["seeds"] == [0, 1]
    assert real["segm_map"]["mean"] == pytest.approx(sum(values[:2]) / 2)
    assert real["segm_map"]["sd"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    against = synthetic["segm_map"]["against_real"]
    assert against["difference"] == pytest.approx((values[2] + values[3] - sum(values[:2])) / 2)


def test_trainings_that_differ_widen_the_interval_of_their_mean(tmp_path):
    truth, found = random_scene(3)
    dataset = write_test_part(tmp_path / "data", truth, [f"g{i}" for i in range(12)])

    def compared(folder, second):
        networks = [
            write_network(tmp_path / folder / name, regime, seed, some)
            for name, regime, seed, some in (
                ("a", "real", 0, found), ("b", "real", 1, found),
                ("c", "synthetic", 0, found[::2]), ("d", "synthetic", 1, second),
            )
        ]  # fmt: skip
        _, scores = run(tmp_path / folder / "out", dataset, networks)
        return scores["regimes"][1]["segm_map"]["against_real"]["interval"]

    # Two trainings that agree leave the luck of the photos; one that fails leaves nothing certain.
    low, high = compared("alike", found[::2])
    assert low < high < 0
    low, high = compared("apart", found)
    assert low < 0 < high


def test_runs_with_other_seeds_have_metrics_of_the_same_names(tmp_path):
    truth, found = random_scene(3)
    dataset = write_test_part(tmp_path / "data", truth, [f"g{i}" for i in range(12)])
    one = [write_network(tmp_path / "a", "real", 0, found)]
    other = [
        write_network(tmp_path / "b", "real", 7, found),
        write_network(tmp_path / "c", "real", 8, found[::2]),
    ]

    first, _ = run(tmp_path / "first", dataset, one)
    second, scores = run(tmp_path / "second", dataset, other)

    assert first.metrics.keys() == second.metrics.keys() == {f"{name}_real" for name in SHOWN}
    mean = sum(row["segm_map"] for row in scores["rows"]) / 2
    assert second.metrics["segm_map_real"] == pytest.approx(mean)
    assert second.metrics["segm_map_real"] != first.metrics["segm_map_real"]


def test_a_network_that_finds_nothing(tmp_path):
    truth, _ = random_scene(1)
    dataset = write_test_part(tmp_path / "data", truth, [f"g{i}" for i in range(12)])

    _, scores = run(tmp_path / "out", dataset, [write_network(tmp_path / "a", "real", 0, [])])

    row = scores["rows"][0]
    assert row["segm_map"] == row["bbox_ap50"] == row["iou"] == row["iou_matched"] == 0
    assert row["hausdorff"] == row["hausdorff_matched"] == 1
    assert row["intervals"]["iou"] == [0, 0]


def test_no_test_frames_and_no_resamples(tmp_path):
    dataset = write_test_part(tmp_path / "data", [], [])
    network = write_network(tmp_path / "a", "real", 0, [])

    outcome, scores = run(tmp_path / "out", dataset, [network], IoUSettings(bootstrap=0))

    row = scores["rows"][0]
    assert row["segm_map"] is None and row["iou"] is None and row["images"] == 0
    assert row["intervals"]["segm_map"] is None
    assert math.isnan(outcome.metrics["segm_map_real"])
    assert "empty" in outcome.warnings[0]


def test_it_warns_of_absent_classes_and_small_parts(tmp_path, by_hand):
    dataset, found = by_hand

    outcome, _ = run(tmp_path / "out", dataset, [write_network(tmp_path / "n", "real", 0, found)])

    assert any("spall" in one for one in outcome.warnings)
    assert any("3 independent pieces" in one for one in outcome.warnings)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    truth, found = random_scene(4)
    dataset = write_test_part(tmp_path / "data", truth, [f"g{i // 2}" for i in range(12)])
    network = write_network(tmp_path / "a", "real", 0, found)

    run(tmp_path / "one", dataset, [network])
    run(tmp_path / "two", dataset, [network])

    for path in (tmp_path / "one").rglob("*.*"):
        assert (
            path.read_bytes()
            == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
        )


def test_a_regime_and_seed_given_twice_is_refused(tmp_path, by_hand):
    dataset, found = by_hand
    networks = [write_network(tmp_path / name, "real", 0, found) for name in "ab"]

    with pytest.raises(ValueError, match="real_0"):
        run(tmp_path / "out", dataset, networks)


def test_the_step_does_not_import_torch():
    code = "import components.iou_evaluation.evaluate, sys; print('torch' in sys.modules)"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "False"
