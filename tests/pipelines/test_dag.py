"""The whole DAG under the smallest preset, run as a user runs it."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas
import pytest
from mlflow.tracking import MlflowClient
from pycocotools.coco import COCO

from components.record import read_record
from components.store import RECORD, digest_tree

pytestmark = [pytest.mark.dag, pytest.mark.timeout(600)]

TASKS = 17
"""Tasks of the smoke preset: one fraction, three regimes, two shards."""


@dataclass
class Ran:
    out: Path
    data: Path
    said: str


def _command(data: Path, out: Path, *more: str) -> list[str]:
    start = [sys.executable, "-c", "from pipelines.cli import main; main()", "run"]
    return [*start, "--data", str(data), "--preset", "smoke", "--out", str(out), *more]


def _run(data: Path, out: Path, *more: str) -> str:
    done = subprocess.run(
        _command(data, out, *more), capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def _digests(out: Path) -> dict[str, str]:
    """Content of every finished step, by its key."""
    return {
        str(path.parent.parent.relative_to(out / ".store")): read_record(path.parent).digest
        for path in (out / ".store").glob(f"*/*/result/{RECORD}")
    }


@pytest.fixture(scope="module")
def ran(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    out = tmp_path_factory.mktemp("dag") / "out"
    return Ran(out, photo_folder, _run(photo_folder, out))


def test_the_run_leaves_what_it_promises(ran: Ran) -> None:
    assert (ran.out / "report.html").stat().st_size > 20_000
    summary = json.loads((ran.out / "summary.json").read_text())

    rows = summary["segmentation"]
    assert Counter(row["regime"] for row in rows) == {
        "real": 1,
        "synthetic": 1,
        "synthetic_then_real": 1,
    }
    for row in rows:
        assert {"fraction", "regime", "seed", "segm_map", "bbox_map", "iou", "hausdorff"} <= set(
            row
        )
        assert 0 <= row["hausdorff"] <= 1
    for name in ("fid", "diversity", "adherence", "timings", "dataset", "config"):
        assert summary[name], name
    assert summary["config"]["dreambooth"]["steps"] == 2


def test_the_synthetic_set_is_readable_by_pycocotools(ran: Ran) -> None:
    folder = ran.out / "synthetic" / "1"
    coco = COCO(str(folder / "annotations.json"))
    provenance = pandas.read_parquet(folder / "provenance.parquet")

    assert len(coco.getImgIds()) == len(provenance) == 4
    assert {image["file_name"] for image in coco.loadImgs(coco.getImgIds())} == {
        path.name for path in (folder / "images").iterdir()
    }
    for annotation in coco.loadAnns(coco.getAnnIds()):
        assert coco.annToMask(annotation).sum() == annotation["area"] > 0


def test_models_are_safetensors_only(ran: Ran) -> None:
    files = [path for path in ran.out.rglob("*") if path.is_file()]

    assert sum(path.suffix == ".safetensors" for path in files) >= 6
    forbidden = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
    assert [path for path in files if path.suffix in forbidden] == []


def test_every_task_is_a_child_of_the_run_in_mlflow(ran: Ran) -> None:
    client = MlflowClient(f"sqlite:///{ran.out / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("defectory")
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]

    assert [run.info.status for run in parents] == ["FINISHED"]
    assert parents[0].data.tags["defectory.data_digest"].startswith("sha256:")
    assert parents[0].data.tags["kfp.pipeline_run_id"].startswith("defectory-valvano")
    assert len(children) == TASKS
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parents[0].info.run_id}
    revision = parents[0].data.tags["defectory.git_revision"]
    assert {run.data.tags.get("defectory.git_revision", "") for run in children} == {revision}
    (concept,) = [run for run in children if run.info.run_name == "dreambooth 100 %"]
    assert concept.data.params["steps"] == "2"
    assert client.get_metric_history(concept.info.run_id, "loss_curve")
    names = {item.path for item in client.list_artifacts(concept.info.run_id)}
    assert "preview" in names


def test_a_second_run_does_nothing_again_wherever_the_photos_lie(ran: Ran, tmp_path: Path) -> None:
    moved = tmp_path / ran.data.name
    shutil.copytree(ran.data, moved, copy_function=shutil.copy)
    before = _digests(ran.out)

    said = _run(moved, ran.out)

    assert said.count("is done already") == TASKS
    assert "starts" not in said
    assert _digests(ran.out) == before


def test_a_changed_setting_redoes_only_what_depends_on_it(ran: Ran) -> None:
    said = _run(ran.data, ran.out, "--set", "iou_evaluation.bootstrap=20")

    lines = [line.split() for line in said.splitlines() if line.endswith("  starts")]
    assert [line[1] for line in lines] == ["iou_evaluation", "report"]


@pytest.mark.parametrize("step", ["dreambooth", "mask_rcnn"])
def test_killed_in_a_training_it_continues_to_the_same_result(
    step: str, ran: Ran, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(ran.out / ".store", out / ".store")
    victims = [path for path in (out / ".store" / step).iterdir() if path.is_dir()]
    for path in victims:
        shutil.rmtree(path)
    process = subprocess.Popen(
        _command(ran.data, out), stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not list((out / ".store" / step).glob("*/work/checkpoint*")):
        assert time.monotonic() < deadline and process.poll() is None, "no checkpoint was seen"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "report.html").exists()

    _run(ran.data, out)

    expected = {key: one for key, one in _digests(ran.out).items() if key.startswith(f"{step}/")}
    after = _digests(out)
    assert expected
    assert {key: after[key] for key in expected} == expected
    records = [read_record(path) for path in (out / ".store" / step).glob("*/result")]
    assert any(record.continued for record in records), "it started anew instead of continuing"


def test_images_do_not_depend_on_the_number_of_shards(ran: Ran) -> None:
    before = digest_tree(ran.out / "synthetic" / "1" / "images")

    _run(ran.data, ran.out, "--set", "run.shards=3", "--set", "iou_evaluation.bootstrap=20")

    assert digest_tree(ran.out / "synthetic" / "1" / "images") == before


def test_two_runs_do_not_work_in_one_folder(photo_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            _command(photo_folder, tmp_path / "out"), capture_output=True, text=True, check=False
        )

    assert done.returncode == 1
    assert "another run" in done.stderr
