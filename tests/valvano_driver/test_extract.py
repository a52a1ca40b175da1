"""Driver extraction as a step."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.dataset import Dataset, read_image
from components.store import digest_tree
from components.valvano.driver_extraction.driver import driver, read_mask
from components.valvano.driver_extraction.extract import extract
from components.valvano.driver_extraction.recipe import read_recipe
from components.valvano.driver_extraction.settings import DriverSettings

SETTINGS = DriverSettings(scale=0.5)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "drivers"
    folder.mkdir()
    return folder


def test_every_annotated_training_frame_gets_its_driver(dataset, out):
    outcome = extract(out, SETTINGS, dataset)
    data, recipe = Dataset(dataset), read_recipe(out)
    frames = data.frames("train")
    assert {file.name for file in (out / "drivers").iterdir()} == {one.file for one in frames}
    assert outcome.metrics["drivers"] == len(frames)
    assert 0 < outcome.metrics["structure"] < 1
    assert recipe.classes == data.classes
    for frame in frames:
        made = read_image(out / "drivers" / frame.file)
        assert np.array_equal(read_mask(made, recipe), data.class_map(frame))
        assert np.array_equal(made, driver(data.image(frame), data.class_map(frame), recipe))
    assert list((out / "preview").glob("*.png"))


def test_an_interrupted_extraction_ends_in_the_same_files(dataset, out, tmp_path):
    whole = tmp_path / "undisturbed"
    whole.mkdir()
    expected = extract(whole, SETTINGS, dataset)
    extract(out, SETTINGS, dataset)
    made = sorted((out / "drivers").iterdir())
    for file in made[::2]:
        file.unlink()
    kept = {file: file.stat().st_mtime_ns for file in made[1::2]}
    again = extract(out, SETTINGS, dataset)
    assert digest_tree(out) == digest_tree(whole)
    assert again == expected
    assert kept == {file: file.stat().st_mtime_ns for file in kept}


def test_drivers_that_say_nothing_are_warned_of(dataset, out):
    outcome = extract(out, DriverSettings(constant=50), dataset)
    assert any("constant" in warning for warning in outcome.warnings)


def test_without_annotated_frames_there_is_nothing_to_do(dataset, out, tmp_path):
    import pandas

    empty = tmp_path / "dataset"
    (empty / "frames").mkdir(parents=True)
    (empty / "dataset.json").write_text((dataset / "dataset.json").read_text())
    (empty / "frames" / "annotations.json").write_text(json.dumps({"images": []}))
    rows = pandas.read_parquet(dataset / "frames" / "manifest.parquet")
    rows[rows.defect_free].to_parquet(empty / "frames" / "manifest.parquet")
    with pytest.raises(ValueError, match="no annotated training frame"):
        extract(out, SETTINGS, empty)
