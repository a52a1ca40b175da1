"""Merging the shards into a synthetic set."""

import contextlib
import io
import shutil
from pathlib import Path

import numpy as np
import pandas
import pytest

from components.dataset import Dataset, read_image, write_image
from components.store import digest_tree
from components.synthetic import SyntheticSet
from components.valvano.driver_extraction.driver import read_mask
from components.valvano.driver_extraction.recipe import make_recipe, read_recipe, write_recipe
from components.valvano.driver_extraction.settings import DriverSettings
from components.valvano.synthesis.merge import merge
from components.valvano.synthesis.plan import make_plan
from components.valvano.synthesis.realise import realise
from components.valvano.synthesis.row import read_plan, rows_of_shard
from components.valvano.synthesis.settings import PlanSettings, SetSettings

FRACTION = 0.5


@pytest.fixture(scope="module")
def inputs(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Drivers (their recipe) and a plan of 20 images."""
    root = tmp_path_factory.mktemp("merge")
    data = Dataset(dataset)
    for name in ("drivers", "plan"):
        (root / name).mkdir()
    recipe = make_recipe(DriverSettings(scale=0.5), data.classes, data.resolution)
    write_recipe(root / "drivers", recipe)
    numbers = PlanSettings(images=20, samples=3)
    make_plan(root / "plan", numbers, dataset, root / "drivers", FRACTION, "sks", 5)
    return {"dataset": dataset, "drivers": root / "drivers", "plan": root / "plan"}


def drawn(inputs: dict[str, Path], root: Path, shards: int) -> list[Path]:
    """Shards whose image is a pattern of the row's seed."""
    rows, side = read_plan(inputs["plan"]), Dataset(inputs["dataset"]).resolution
    parts = []
    for shard in range(shards):
        part = root / f"of{shards}" / str(shard)
        (part / "images").mkdir(parents=True)
        for row in rows_of_shard(rows, shard, shards):
            pixels = np.random.default_rng(row.seed).integers(0, 256, (side, side, 3), np.uint8)
            write_image(part / "images" / f"{row.id}.png", pixels)
        parts.append(part)
    return parts


def merged(inputs: dict[str, Path], parts: list[Path], out: Path, **settings) -> Path:
    out.mkdir(exist_ok=True)
    merge(out, SetSettings(**settings), **inputs, parts=parts, fraction=FRACTION, seed=0)
    return out


def test_the_set_is_what_was_planned(inputs, tmp_path):
    out = merged(inputs, drawn(inputs, tmp_path, 3), tmp_path / "set")
    made, rows = SyntheticSet(out), read_plan(inputs["plan"])
    data, recipe = Dataset(inputs["dataset"]), read_recipe(inputs["drivers"])
    assert [one.id for one in made.images] == [row.id for row in rows]
    for one, row in zip(made.images, rows, strict=True):
        assert (one.seed, one.prompt, one.driver) == (row.seed, row.prompt, row.driver)
        wanted = realise(row, data, recipe)
        found = made.instances(one)
        assert [i.label for i in found] == [i.label for i in wanted.instances]
        assert all(
            np.array_equal(a.mask, b.mask) for a, b in zip(found, wanted.instances, strict=True)
        )
        kept = read_image(out / "drivers" / f"{row.driver}.png")
        assert np.array_equal(read_mask(kept, recipe), made.class_map(one))
    columns = set(pandas.read_parquet(out / "provenance.parquet").columns)
    planned = set(pandas.read_parquet(inputs["plan"] / "plan.parquet").columns)
    assert columns == planned | {"accepted"}
    assert not made.rejected
    assert not (out / "rejected").exists()
    assert list((out / "preview").glob("*.png"))


def test_pycocotools_reads_the_masks_back(inputs, tmp_path):
    from pycocotools.coco import COCO

    out = merged(inputs, drawn(inputs, tmp_path, 1), tmp_path / "set")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(out / "annotations.json"))
    data, recipe = Dataset(inputs["dataset"]), read_recipe(inputs["drivers"])
    rows = {f"{row.id}.png": row for row in read_plan(inputs["plan"])}
    assert {image["file_name"] for image in coco.imgs.values()} == rows.keys()
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == list(data.classes)
    for image in coco.imgs.values():
        wanted = realise(rows[image["file_name"]], data, recipe).instances
        found = coco.loadAnns(coco.getAnnIds(image["id"]))
        assert len(found) == len(wanted)
        for annotation, instance in zip(found, wanted, strict=True):
            assert np.array_equal(coco.annToMask(annotation).astype(bool), instance.mask)
            assert annotation["category_id"] == instance.label + 1
            assert annotation["area"] == instance.mask.sum()


def test_the_number_of_shards_does_not_matter(inputs, tmp_path):
    digests = {
        digest_tree(merged(inputs, drawn(inputs, tmp_path, shards), tmp_path / f"set{shards}"))
        for shards in (1, 2, 7)
    }
    assert len(digests) == 1


def test_an_interrupted_merge_ends_in_the_same_files(inputs, tmp_path):
    parts = drawn(inputs, tmp_path, 2)
    whole = merged(inputs, parts, tmp_path / "whole")
    torn = tmp_path / "torn"
    shutil.copytree(whole, torn)
    (torn / "annotations.json").unlink()
    first = sorted((torn / "images").iterdir())[0]
    first.write_bytes(first.read_bytes()[:40])
    assert digest_tree(merged(inputs, parts, torn)) == digest_tree(whole)


def test_shards_that_are_not_the_plan_are_named(inputs, tmp_path):
    parts = drawn(inputs, tmp_path, 2)
    file = parts[0] / "images" / "000003.png"
    shutil.copy(file, parts[1] / "images" / "999999.png")
    with pytest.raises(ValueError, match="999999 were not planned"):
        merged(inputs, parts, tmp_path / "set")
    (parts[1] / "images" / "999999.png").unlink()
    shutil.copy(file, parts[1] / "images")
    with pytest.raises(ValueError, match="000003 come more than once"):
        merged(inputs, parts, tmp_path / "set")
    file.unlink()
    (parts[1] / "images" / "000003.png").unlink()
    with pytest.raises(ValueError, match="000003 are missing"):
        merged(inputs, parts, tmp_path / "set")


def painted(inputs: dict[str, Path], root: Path, hit: set[str]) -> list[Path]:
    """One shard of grey images in which the masks of `hit` are black."""
    data, recipe = Dataset(inputs["dataset"]), read_recipe(inputs["drivers"])
    (root / "images").mkdir(parents=True)
    for row in read_plan(inputs["plan"]):
        picture = np.full((data.resolution, data.resolution, 3), 128, np.uint8)
        if row.id in hit:
            for one in realise(row, data, recipe).instances:
                picture[one.mask] = 0
        write_image(root / "images" / f"{row.id}.png", picture)
    return [root]


@pytest.fixture(scope="module")
def clean_inputs(inputs, tmp_path_factory):
    """The same on a dataset with enough defect-free frames to compare with."""
    root = tmp_path_factory.mktemp("clean") / "dataset"
    shutil.copytree(inputs["dataset"], root)
    frames = root / "frames"
    table = pandas.read_parquet(frames / "manifest.parquet")
    clean = table[table["defect_free"] & (table["split"] == "train")]
    copies = [clean.assign(id=clean["id"] + f"-{number}") for number in range(20)]
    for one in copies:
        for old, new in zip(clean["id"], one["id"], strict=True):
            shutil.copy(frames / "images" / f"{old}.png", frames / "images" / f"{new}.png")
    every = pandas.concat([table, *copies]).sort_values("id")
    every.to_parquet(frames / "manifest.parquet", index=False)
    return {**inputs, "dataset": root}


def test_images_without_a_defect_in_their_mask_are_rejected(clean_inputs, tmp_path):
    rows = read_plan(clean_inputs["plan"])
    hit = {row.id for row in rows[::2]}
    parts = painted(clean_inputs, tmp_path / "part", hit)
    out = merged(clean_inputs, parts, tmp_path / "set", reject=True)
    made = SyntheticSet(out)
    assert {one.id for one in made.images} == hit
    assert {one.id for one in made.rejected} == {row.id for row in rows} - hit
    assert {path.stem for path in (out / "images").iterdir()} == hit
    for one in (*made.images, *made.rejected):
        assert made.image(one).shape == (made.class_map(one).shape[0],) * 2 + (3,)
        assert made.class_map(one).any()


def test_a_margin_keeps_fewer_of_the_same_images(clean_inputs, tmp_path):
    parts = painted(
        clean_inputs, tmp_path / "part", {row.id for row in read_plan(clean_inputs["plan"])}
    )
    one, ten = (
        {
            image.id
            for image in SyntheticSet(
                merged(clean_inputs, parts, tmp_path / name, reject=True, margin=margin, fewest=0)
            ).images
        }
        for name, margin in (("one", 1.0), ("ten", 10.0))
    )
    assert ten < one


def test_a_generator_that_failed_is_told_and_nothing_is_rejected(clean_inputs, tmp_path):
    parts = painted(clean_inputs, tmp_path / "part", set())
    out = tmp_path / "set"
    out.mkdir()
    outcome = merge(
        out, SetSettings(reject=True), **clean_inputs, parts=parts, fraction=FRACTION, seed=0
    )
    assert not SyntheticSet(out).rejected
    assert outcome.metrics["rejected"] == 0
    assert "has not learnt" in outcome.warnings[0]
