"""The plan: what may be in it, how it is dealt, and that its rows decide everything."""

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.dataset import Dataset
from components.instances import class_map
from components.store import digest_tree
from components.synthetic import Provenance
from components.valvano.driver_extraction.driver import read_mask
from components.valvano.driver_extraction.recipe import make_recipe, read_recipe, write_recipe
from components.valvano.driver_extraction.settings import DriverSettings
from components.valvano.synthesis.plan import APART, make_plan
from components.valvano.synthesis.realise import realise
from components.valvano.synthesis.row import Row, read_plan, rows_of_shard
from components.valvano.synthesis.settings import PlanSettings

SEVERAL = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def drivers(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drivers")
    data = Dataset(dataset)
    write_recipe(folder, make_recipe(DriverSettings(scale=0.5), data.classes, data.resolution))
    return folder


@pytest.fixture(scope="module")
def planned(dataset: Path, drivers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    make_plan(folder, PlanSettings(images=100, samples=4), dataset, drivers, 1.0, "sks", 1)
    return folder


@given(
    images=st.integers(1, 90),
    samples=st.integers(1, 15),
    augmentations=st.integers(1, 10),
    fraction=st.sampled_from([0.1, 0.5, 1.0]),
    seed=st.integers(0, 2**31),
)
@SEVERAL
def test_every_plan_keeps_the_rules(
    dataset, drivers, tmp_path, images, samples, augmentations, fraction, seed
):
    numbers = PlanSettings(images=images, samples=samples, augmentations=augmentations)
    outcome = make_plan(tmp_path, numbers, dataset, drivers, fraction, "sks", seed)
    data, rows = Dataset(dataset), read_plan(tmp_path)
    assert [row.id for row in rows] == sorted({row.id for row in rows})
    assert len(rows) == images == outcome.metrics["images"]

    allowed = {one.id: one for one in data.frames("train", fraction=fraction)}
    clean = {one.id for one in data.frames("train", defect_free=True)}
    assert {row.mask for row in rows} <= allowed.keys()
    assert {row.source for row in rows} <= clean
    for row in rows:
        labels = [one.label for one in data.instances(allowed[row.mask])]
        assert {data.classes[labels[number]] for number in row.numbers} == {row.defect}
        assert row.defect in row.prompt and "sks" in row.prompt

    of_driver = Counter(row.driver for row in rows)
    assert max(of_driver.values()) <= samples
    same = {(row.driver, replace(row, id="", seed=0)) for row in rows}
    assert len(same) == len(of_driver) == outcome.metrics["drivers"]
    assert len({row.seed for row in rows}) == images
    versions: dict[str, set[int]] = {}
    for row in rows:
        versions.setdefault(row.source, set()).add(row.version)
    assert all(len(found) <= augmentations for found in versions.values())

    counts = Counter({row.driver: row.defect for row in rows}.values())
    if images >= len(data.classes):
        assert max(counts.values()) - min(counts[name] for name in data.classes) <= 1
    assert sum(outcome.metrics[f"images_{name}"] for name in data.classes) == images


def test_rows_realise_to_whole_masks_and_drivers(dataset, drivers, planned):
    data, recipe, rows = Dataset(dataset), read_recipe(drivers), read_plan(planned)
    for row in rows[::4]:
        made = realise(row, data, recipe)
        assert len(made.instances) == len(row.numbers)
        assert all(one.mask.any() for one in made.instances)
        painted = class_map(made.instances, data.resolution, data.resolution)
        assert set(np.unique(painted)) == {0, data.classes.index(row.defect) + 1}
        assert np.array_equal(read_mask(made.driver, recipe), painted)
        assert made.picture.shape == (data.resolution, data.resolution, 3)


def test_the_same_row_is_the_same_bytes(dataset, drivers, planned):
    recipe, rows = read_recipe(drivers), read_plan(planned)
    shared, alone = Dataset(dataset), {}
    for row in reversed(rows[::4]):
        alone[row.id] = realise(row, Dataset(dataset), recipe)
    for row in rows[::4]:
        one, other = realise(row, shared, recipe), alone[row.id]
        assert one.picture.tobytes() == other.picture.tobytes()
        assert one.driver.tobytes() == other.driver.tobytes()
        assert all(
            np.array_equal(a.mask, b.mask)
            for a, b in zip(one.instances, other.instances, strict=True)
        )


def test_drivers_differ_from_each_other(dataset, drivers, planned):
    data, recipe = Dataset(dataset), read_recipe(drivers)
    made = {row.driver: row for row in read_plan(planned)}.values()
    assert len({realise(row, data, recipe).driver.tobytes() for row in made}) == len(made)


@given(st.integers(0, 60), st.integers(1, 70))
def test_shards_are_the_plan(planned_rows, rows, shards):
    plan = [replace(planned_rows, id=f"{number:06d}") for number in range(rows)]
    parts = [rows_of_shard(plan, shard, shards) for shard in range(shards)]
    assert [row for part in parts for row in part] == plan
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.fixture(scope="module")
def planned_rows(planned: Path) -> Row:
    return read_plan(planned)[0]


def test_there_is_no_shard_past_the_last(planned):
    with pytest.raises(ValueError, match="shard 2 of 2"):
        rows_of_shard(read_plan(planned), 2, 2)


def test_plans_are_the_same_for_a_seed_and_flat(dataset, drivers, planned, tmp_path):
    numbers = PlanSettings(images=100, samples=4)
    (tmp_path / "plan.parquet").write_bytes(b"left by an interrupted try")
    make_plan(tmp_path, numbers, dataset, drivers, 1.0, "sks", 1)
    assert digest_tree(tmp_path) == digest_tree(planned)
    make_plan(tmp_path, numbers, dataset, drivers, 1.0, "sks", 2)
    assert digest_tree(tmp_path) != digest_tree(planned)
    table = pandas.read_parquet(planned / "plan.parquet")
    assert set(Provenance.__dataclass_fields__) <= set(table.columns)
    assert not any(isinstance(value, (list, dict, np.ndarray)) for value in table.iloc[0])
    assert [asdict(row) for row in read_plan(planned)] == table.to_dict("records")


def test_masks_and_photos_come_up_equally_often(planned):
    rows = {row.driver: row for row in read_plan(planned)}.values()
    masks, photos = (
        Counter((row.mask, row.defect) for row in rows),
        Counter(row.source for row in rows),
    )
    assert max(masks.values()) - min(masks.values()) <= 1
    assert max(photos.values()) - min(photos.values()) <= 1


def test_drivers_of_a_photo_keep_apart(dataset, drivers, tmp_path):
    numbers = PlanSettings(images=24, samples=2, together=3)
    outcome = make_plan(tmp_path, numbers, dataset, drivers, 1.0, "sks", 1)
    data, recipe = Dataset(dataset), read_recipe(drivers)
    grounds: dict[str, dict[str, Row]] = {}
    for row in read_plan(tmp_path):
        grounds.setdefault(row.ground, {})[row.driver] = row
    assert len(grounds) == 4 and {len(of_one) for of_one in grounds.values()} == {3}
    apart = []
    for of_one in grounds.values():
        made = [realise(row, data, recipe) for row in of_one.values()]
        assert len({one.picture.tobytes() for one in made}) == 1
        unions = [np.logical_or.reduce([i.mask for i in one.instances]) for one in made]
        for number, mask in enumerate(unions):
            for other in unions[:number]:
                steps = np.abs(np.argwhere(mask)[:, None] - np.argwhere(other)[None]).max(2)
                apart.append(steps.min() > APART * data.resolution)
    assert outcome.metrics["fallbacks"] == 0
    assert np.mean(apart) > 0.8, "small masks nearly always find room"


def test_no_more_drivers_share_a_ground_than_are_to(dataset, drivers, tmp_path):
    """Versions that are dealt again are another ground."""
    for together in (1, 4):
        numbers = PlanSettings(images=200, samples=1, augmentations=1, together=together)
        make_plan(tmp_path, numbers, dataset, drivers, 1.0, "sks", 0)
        rows = read_plan(tmp_path)
        assert len({(row.source, row.version) for row in rows}) < 200 / together, "dealt again"
        assert set(Counter(row.ground for row in rows).values()) == {together}


def test_masks_that_fill_the_photo_are_placed_all_the_same(dataset, drivers, tmp_path):
    numbers = PlanSettings(images=40, samples=1, together=20)
    outcome = make_plan(tmp_path, numbers, dataset, drivers, 1.0, "sks", 1)
    assert outcome.metrics["images"] == 40 and outcome.metrics["fallbacks"] <= 2
    assert len({row.ground for row in read_plan(tmp_path)}) == 2


def test_poor_coverage_is_told(dataset, drivers, tmp_path):
    numbers = PlanSettings(images=300, samples=15, augmentations=1)
    outcome = make_plan(tmp_path, numbers, dataset, drivers, 0.1, "sks", 0)
    assert any("repeats few annotated masks" in told for told in outcome.warnings)
    assert any("Add defect-free photos" in told for told in outcome.warnings)
    outcome = make_plan(tmp_path, PlanSettings(images=1), dataset, drivers, 1.0, "sks", 0)
    assert any("has no image of" in told for told in outcome.warnings)


def test_what_cannot_be_planned_is_said(dataset, drivers, tmp_path):
    numbers = PlanSettings(images=4)
    with pytest.raises(ValueError, match="no mask"):
        make_plan(tmp_path, numbers, dataset, drivers, 0.001, "sks", 0)


def test_rows_of_another_dataset_are_refused(dataset, drivers, planned):
    data, recipe, row = Dataset(dataset), read_recipe(drivers), read_plan(planned)[0]
    for other in (
        replace(row, source="elsewhere"),
        replace(row, defect="dent"),
        replace(row, instances="0,99"),
    ):
        with pytest.raises(ValueError, match="anew"):
            realise(other, data, recipe)
