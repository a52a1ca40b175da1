"""Trainings of a few steps at 32 px: what they leave, and that a kill changes nothing of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.optim.optimizer import register_optimizer_step_post_hook
from torchvision.models import mobilenet_v3_large

from components.dataset import Dataset, write_image
from components.instances import Instance, decode
from components.mask_rcnn.backend import build
from components.mask_rcnn.predict import Segmenter
from components.mask_rcnn.regimes import synthetic_share
from components.mask_rcnn.settings import REGIMES, MaskRCNNSettings
from components.mask_rcnn.train import train
from components.outcome import Outcome
from components.store import digest_tree
from components.synthetic import write_annotations

SETTINGS = MaskRCNNSettings(
    backbone="mobilenet_v3", size="small", steps=6, batch=2, validations=2, checkpoint_every=2,
    learning_rate=1e-3,
)  # fmt: skip


@pytest.fixture(scope="module")
def synthetic(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic set: the annotated training frames, upside down."""
    out = tmp_path_factory.mktemp("synthetic")
    data = Dataset(dataset)
    (out / "images").mkdir()
    frames = data.frames("train")
    rows = []
    for number, frame in enumerate(frames):
        write_image(out / "images" / f"{number:05d}.png", data.image(frame)[::-1])
        rows.append(
            {"id": f"{number:05d}", "source": frame.id, "ground": frame.id, "mask": frame.id,
             "driver": "d", "defect": "crack", "prompt": "p", "seed": 0}
        )  # fmt: skip
    instances = [
        [type(one)(one.mask[::-1].copy(), one.label) for one in data.instances(frame)]
        for frame in frames
    ]
    write_annotations(out, rows, instances, data.resolution, data.classes)
    return out


@pytest.fixture(scope="module")
def real(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("real")
    return out, train(out, SETTINGS, dataset, 1.0, "real", 0)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_is_left(real: tuple[Path, Outcome], dataset: Path) -> None:
    out, outcome = real
    assert files(out) == {
        "model.safetensors", "model.json", "predictions/val.json", "predictions/test.json",
        "preview/val.png", "preview/learnt_from_real.png",
    }  # fmt: skip
    about = json.loads((out / "model.json").read_text())
    assert about["classes"] == list(Dataset(dataset).classes)
    assert (about["resolution"], about["backend"]) == (32, "torchvision")
    assert about["threshold"] == outcome.metrics["threshold"]
    assert [step for step, _ in outcome.curves["loss"]] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in outcome.curves["val_ap50"]] == [3, 6]
    assert outcome.metrics["val_ap50"] == max(score for _, score in outcome.curves["val_ap50"])
    weights = load_file(out / "model.safetensors")
    assert outcome.metrics["parameters"] < sum(one.numel() for one in weights.values())


def test_predictions_are_coco_results_of_their_part(
    real: tuple[Path, Outcome], dataset: Path
) -> None:
    data = Dataset(dataset)
    document = json.loads((dataset / "frames" / "annotations.json").read_text())
    names = {image["id"]: image["file_name"] for image in document["images"]}
    found = json.loads((real[0] / "predictions" / "test.json").read_text())
    parts = {frame.file: frame.split for frame in data.all_frames}
    assert found and {parts[names[one["image_id"]]] for one in found} == {"test"}
    for one in found:
        assert 0.05 <= one["score"] <= 1 and one["category_id"] in (1, 2)
        assert decode(one["segmentation"], 32, 32).shape == (32, 32)


def test_the_loaded_segmenter_predicts_the_same(real: tuple[Path, Outcome], dataset: Path) -> None:
    data = Dataset(dataset)
    frames = [frame for frame in data.all_frames if frame.split == "val"]
    segmenter = Segmenter.load(real[0])
    again = segmenter.detect([data.image(frame) for frame in frames])
    written = json.loads((real[0] / "predictions" / "val.json").read_text())
    assert [one.score for image in again for one in image] == [one["score"] for one in written]
    assert segmenter.classes == data.classes and segmenter.resolution == 32
    assert segmenter.threshold == real[1].metrics["threshold"]
    with pytest.raises(ValueError, match="scale it first"):
        segmenter.detect([np.zeros((16, 16, 3), np.uint8)])


KILLED = """
import json, os, signal, sys
from pathlib import Path
from torch.optim.optimizer import register_optimizer_step_post_hook
from components.mask_rcnn.settings import MaskRCNNSettings
from components.mask_rcnn.train import train
out, dataset, settings = sys.argv[1:]
done = []
def count(*_):
    done.append(1)
    if len(done) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
register_optimizer_step_post_hook(count)
train(Path(out), MaskRCNNSettings.model_validate_json(settings), Path(dataset), 1.0, "real", 0)
"""


def test_a_killed_training_ends_as_an_undisturbed_one(
    real: tuple[Path, Outcome], dataset: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-c", KILLED, tmp_path, dataset, SETTINGS.model_dump_json()]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert files(tmp_path) == {"checkpoint.safetensors"}

    steps = []
    hook = register_optimizer_step_post_hook(lambda *_: steps.append(1))
    outcome = train(tmp_path, SETTINGS, dataset, 1.0, "real", 0)
    hook.remove()
    assert len(steps) == 3  # the checkpoint is of step 3, the validation
    assert digest_tree(tmp_path) == digest_tree(real[0])
    assert outcome == real[1]


def test_nothing_depends_on_the_test_part(
    real: tuple[Path, Outcome], dataset: Path, tmp_path: Path
) -> None:
    other, out = tmp_path / "dataset", tmp_path / "out"
    shutil.copytree(dataset, other)
    out.mkdir()
    data = Dataset(dataset)
    for frame in data.all_frames:
        if frame.split == "test":
            write_image(other / "frames" / "images" / frame.file, data.image(frame)[:, ::-1] // 2)
    train(out, SETTINGS, other, 1.0, "real", 0)
    for name in ("model.safetensors", "model.json", "predictions/val.json"):
        assert (out / name).read_bytes() == (real[0] / name).read_bytes()
    test = "predictions/test.json"
    assert (out / test).read_bytes() != (real[0] / test).read_bytes()


def test_regimes_differ_in_their_images_alone(
    dataset: Path, synthetic: Path, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"steps": 4, "validations": 1})
    rates: dict[str, list[float]] = {}
    losses = {}
    for regime in REGIMES:
        out = tmp_path / regime
        out.mkdir()
        seen = rates.setdefault(regime, [])
        hook = register_optimizer_step_post_hook(
            lambda one, *_, seen=seen: seen.append(one.param_groups[0]["lr"])
        )
        outcome = train(out, settings, dataset, 1.0, regime, 0, synthetic)
        hook.remove()
        losses[regime] = [loss for _, loss in outcome.curves["loss"]]
    assert rates["real"] == rates["synthetic"] == rates["synthetic_then_real"]
    assert len(rates["real"]) == 4
    about = json.loads((tmp_path / "synthetic_then_real" / "model.json").read_text())
    first, sizes = about["synthetic_steps"], about["images"]
    assert 1 <= first == max(round(4 * synthetic_share(0.5, **sizes)), 1) < 4
    both, alone = losses["synthetic_then_real"], losses["synthetic"]
    assert both[:first] == alone[:first] and both[first] != alone[first]


def test_missing_pools_are_named(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give a synthetic set"):
        train(tmp_path, SETTINGS, dataset, 1.0, "synthetic", 0)
    with pytest.raises(ValueError, match=r"no real image at 1 %"):
        train(tmp_path, SETTINGS, dataset, 0.01, "real", 0)


def test_pretrained_weights_are_taken_and_checked(tmp_path: Path) -> None:
    torch.manual_seed(3)
    weights = mobilenet_v3_large(weights=None).state_dict()
    path = tmp_path / "weights.safetensors"
    save_file(weights, path)
    settings = SETTINGS.model_copy(update={"weights": str(path)})
    body = build(settings, 2, 32).module.backbone.body.state_dict()
    assert (body["0.0.weight"] == weights["features.0.0.weight"]).all()
    del weights["features.0.0.weight"]
    save_file(weights, path)
    with pytest.raises(ValueError, match=r"weights .*features\.0\.0\.weight"):
        build(settings, 2, 32)
    path.unlink()
    with pytest.raises(ValueError, match="is not a file"):
        build(settings, 2, 32)


def test_a_collapsed_training_is_reported(dataset: Path, tmp_path: Path) -> None:
    weights = mobilenet_v3_large(weights=None).state_dict()
    weights["features.0.0.weight"][:] = torch.nan
    path = tmp_path / "weights.safetensors"
    save_file(weights, path)
    out = tmp_path / "out"
    out.mkdir()
    settings = SETTINGS.model_copy(update={"weights": str(path)})
    outcome = train(out, settings, dataset, 1.0, "real", 0)
    assert any("collapsed at step 1" in warning for warning in outcome.warnings)
    assert outcome.metrics["val_ap50"] == 0 == outcome.metrics["best_step"]
    assert json.loads((out / "predictions" / "test.json").read_text()) == []


@pytest.mark.parametrize("name", ["val", "learnt_from_real"])
def test_the_previews_are_pictures(real: tuple[Path, Outcome], name: str) -> None:
    picture = cv2.imread(str(real[0] / "preview" / f"{name}.png"))
    assert picture is not None and picture.shape[1] % (2 * 32) in (0, 6, 12)


def test_it_learns_what_is_plain_to_see() -> None:
    """The loss of a bright square on black falls in a few dozen steps."""
    torch.manual_seed(0)
    backend = build(SETTINGS, 1, 32)
    optimizer = torch.optim.AdamW(backend.module.parameters(), lr=2e-3)
    mask = np.zeros((32, 32), bool)
    mask[8:22, 10:24] = True
    images = torch.from_numpy(mask.astype(np.float32)).expand(2, 3, 32, 32)
    losses = []
    for step in range(30):
        torch.manual_seed(step)
        loss = backend.loss(images, [[Instance(mask, 0)]] * 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v3"])
def test_the_full_size_learns_and_detects(backbone: str) -> None:
    torch.manual_seed(0)
    settings = SETTINGS.model_copy(update={"size": "full", "backbone": backbone})
    full = build(settings, 2, 64)
    small = build(settings.model_copy(update={"size": "small"}), 2, 64)
    mask = np.zeros((64, 64), bool)
    mask[8:40, 10:14] = True
    images = torch.from_numpy(mask.astype(np.float32)).expand(2, 3, 64, 64)
    # An image without defects is all background.
    loss = full.loss(images, [[Instance(mask, 1)], []])
    loss.backward()
    assert torch.isfinite(loss)
    assert len(list(full.module.parameters())) > len(list(small.module.parameters()))
    for found in full.detect(images[:1]):
        assert all(one.mask.shape == (64, 64) and one.label in (0, 1) for one in found)
