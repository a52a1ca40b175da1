"""Runs with several seeds, put together."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.report.several import adherence, half_width, read_summaries, together
from pipelines.cli import main


def row(regime: str, value: float, real: float | None) -> dict[str, Any]:
    score: dict[str, Any] = {"mean": value}
    if real is not None:
        score["against_real"] = {"difference": value - real}
    return {"fraction": 0.1, "regime": regime, "seeds": [0], "segm_map": score, "hausdorff": score}


def write_run(folder: Path, seed: int, real: float, both: float, **changed: Any) -> Path:
    folder.mkdir()
    summary = {
        "config": {"run": {"seed": seed, "repeats": 1}, "plan": {"images": 300}},
        "versions": {"data": "sha256:a"},
        "regimes": [row("real", real, None), row("synthetic_then_real", both, real)],
        "adherence": [
            {
                "fraction": fraction,
                "n": 10,
                "n_left_out": seed,
                "accepted": {"rejected": 0.3, "found": found},
                "judge": {"found": 0.5 if found else None},
                "real": {"judge": {"found": 0.9}},
            }
            for fraction, found in ((0.1, 0.8 + real / 10), (0.01, None))
        ],
    } | changed
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        write_run(tmp_path / f"run{seed}", seed, real, real + gain)
        for seed, real, gain in ((2, 0.2, 0.03), (0, 0.3, 0.01), (1, 0.1, 0.02))
    ]


def test_the_mean_of_the_differences_has_students_interval(runs: list[Path]) -> None:
    real, both = together(read_summaries(runs), "segm_map")

    assert real.values == (0.3, 0.1, 0.2) and real.difference is None
    assert both.difference == pytest.approx(0.02)
    # t(2) at 97.5 % is 4.3027; the standard error 0.01 / sqrt(3).
    assert both.high == pytest.approx(0.02 + 4.30265 * 0.01 / 3**0.5, abs=1e-6)
    assert both.low == pytest.approx(0.04 - both.high)
    assert both.better == 3


def test_of_a_distance_less_is_better(runs: list[Path]) -> None:
    assert together(read_summaries(runs), "hausdorff")[1].better == 0


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6), st.floats(0.5, 0.99))
def test_the_interval_grows_with_its_confidence_and_moves_with_the_values(
    values: list[float], confidence: float
) -> None:
    half = half_width(values, confidence)

    assert half >= 0
    assert half_width(values, confidence + 0.005) >= half
    assert half_width([one + 5 for one in values], confidence) == pytest.approx(half, abs=1e-6)


def test_runs_that_are_not_the_same_but_for_their_seed_are_refused_with_all_reasons(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer = {"run": {"seed": 3, "repeats": 1}, "plan": {"images": 900}}
    runs.append(write_run(tmp_path / "longer", 3, 0.1, 0.2, config=longer))
    runs.append(write_run(tmp_path / "again", 1, 0.1, 0.2))
    runs.append(write_run(tmp_path / "other", 4, 0.1, 0.2, versions={"data": "sha256:b"}))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "summary.json").write_text("{}")

    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, [*runs, tmp_path / "broken", tmp_path / "nowhere"])])

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "longer: plan.images=900, but 300" in said
    assert "again: has the seed of" in said and "run.seed=1" in said
    assert "other: was made from other photos" in said
    assert "broken: its summary.json is not one of a defectory run" in said
    assert "nowhere: has no summary.json" in said


def test_one_run_and_an_unknown_metric_are_refused(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([str(runs[0])], [*map(str, runs), "--metric", "map"]):
        with pytest.raises(SystemExit) as ended:
            main(["compare", *words])
        assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "name two or more" in said
    assert "no metric 'map'; there are hausdorff, segm_map" in said


def test_what_was_not_left_out_is_counted_among_the_others(runs: list[Path]) -> None:
    """Contrast would reject 30 % in every run; that of seed 0 keeps all its images."""
    one = adherence(read_summaries(runs))[1]

    assert one.left_out == (0, 0.1, 0.2)
    assert one.found == pytest.approx((0.5, 0.81, 0.82))


def test_the_table_is_for_people_and_for_a_readme(
    runs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([], ["--markdown"]):
        with pytest.raises(SystemExit) as ended:
            main(["compare", *map(str, runs), *words])
        assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "10 %         real only             0.300   0.100   0.200   0.200" in said
    assert "| 10 % | synthetic, then real | 0.310 | 0.120 | 0.230 | 0.220 | +0.020 (" in said
    assert "run.seed 0, 1, 2" in said and "3 of 3" in said
    assert "| left out | 10 % | 0 % | 10 % | 20 % | 10 % |" in said
    assert "found, of the others  10 %        50 %    81 %    82 %    71 %" in said
    assert "| found, of the others | 1 % | none | none | none | none |" in said
    assert "| found, of real ones | validation | 90 % | 90 % | 90 % | 90 % |" in said


def test_runs_without_synthetic_sets_are_compared_all_the_same(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.append(write_run(tmp_path / "bare", 7, 0.1, 0.2, adherence=[]))
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, runs)])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "seed 7" in said and "left out" not in said


def test_a_summary_of_another_version_is_refused(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = [{"fraction": 0.1, "accepted": {"share": 0.7}, "n": 10}]
    runs.append(write_run(tmp_path / "old", 7, 0.1, 0.2, adherence=old))
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, runs)])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert "'n_left_out'" in said.err and "another version" in said.err
    assert said.out == ""
