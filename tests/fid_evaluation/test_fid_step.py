"""The step: `quality.json` with and without Inception weights, judged by a real network."""

import json

import pytest
import torch
from fid_scenes import write_data, write_segmenter, write_synthetic
from inception_stand_in import small_layers, write_archive

from components.fid_evaluation.evaluate import evaluate
from components.fid_evaluation.settings import FIDSettings
from components.fid_evaluation.weights import VARIABLE

DISTANCES = ("fid", "kid", "low_layer_fid", "texture_frechet")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    root = tmp_path_factory.mktemp("artifacts")
    torch.manual_seed(1)
    return {
        "dataset": write_data(root / "data", clean=20, annotated=3),
        "synthetic": write_synthetic(root / "synthetic", [True] * 16),
        "judge": write_segmenter(root / "judge"),
        "weights": write_archive(root / "weights", small_layers()),
    }


def run(out, artifacts, settings):
    out.mkdir()
    outcome = evaluate(
        out=out, settings=settings, dataset=artifacts["dataset"],
        synthetic=artifacts["synthetic"], judge=artifacts["judge"], fraction=0.1, seed=4,
    )  # fmt: skip
    return outcome, json.loads((out / "quality.json").read_text())


def test_with_weights_everything_has_a_value(tmp_path, artifacts):
    settings = FIDSettings(weights=str(artifacts["weights"]), batch=8)

    outcome, quality = run(tmp_path / "one", artifacts, settings)
    run(tmp_path / "two", artifacts, settings)

    assert quality["fraction"] == 0.1
    for name in DISTANCES:
        entry = quality[name]
        assert entry["reason"] is None and entry["protocol"]
        assert (entry["n_synthetic"], entry["n_reference"], entry["n_train"]) == (16, 12, 6)
        assert entry["matched"]["n"] == 6
        assert entry["seed"] == 4
        for key in ("value", "against_train", "baseline"):
            assert isinstance(entry[key], float)
        assert outcome.metrics[name] == entry["value"]
    assert quality["fid"]["mode"] == "clean"
    assert quality["fid"]["weights_published"] is False
    assert quality["fid"]["rank_deficient"] is True
    assert any("not the published" in one for one in outcome.warnings)
    assert any("Read KID" in one for one in outcome.warnings)
    assert quality["diversity"]["drivers"] == 8
    assert quality["adherence"]["judge_threshold"] == 0.5
    for path in (tmp_path / "one").rglob("*.*"):
        again = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == again.read_bytes()
    assert (tmp_path / "one" / "preview" / "best_worst.png").is_file()
    assert str(tmp_path) not in (tmp_path / "one" / "quality.json").read_text()


def test_without_weights_the_rest_still_finishes(tmp_path, artifacts, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    outcome, quality = run(tmp_path / "out", artifacts, FIDSettings())

    for name in ("fid", "kid", "low_layer_fid"):
        assert quality[name]["value"] is None
        assert "inception-2015-12-05.pt" in quality[name]["reason"]
        assert quality[name]["n_synthetic"] == 16
        assert name not in outcome.metrics
    assert "inception-2015-12-05.pt" in outcome.warnings[0]
    assert quality["texture_frechet"]["value"] > 0
    assert quality["diversity"]["l2"] > 0
    assert quality["adherence"]["contrast"]["stands_out"] > 0.9
