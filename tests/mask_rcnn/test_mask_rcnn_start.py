import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from components.mask_rcnn.backend import build
from components.mask_rcnn.batches import draw, stack
from components.mask_rcnn.pretrain import ABOUT, pieces, pretrain, textures
from components.mask_rcnn.settings import EMBEDDED, MaskRCNNSettings
from components.mask_rcnn.start import FILE, NAMING
from components.mask_rcnn.threshold import iou
from components.textures.draw import Mark
from components.textures.pool import Pool
from pipelines.overrides import BadSettings, override
from pipelines.presets import preset

SMALL = MaskRCNNSettings(backbone="resnet18", size="small", weights=EMBEDDED)


def test_the_embedded_start_is_what_the_network_begins_with():
    torch.manual_seed(0)
    one = build(SMALL, 3, 96).module.state_dict()
    torch.manual_seed(1)
    other = build(SMALL, 5, 96).module.state_dict()
    common = [name for name in one if not name.startswith(NAMING)]
    assert len(common) > 100
    for name in common:
        assert torch.equal(one[name], other[name]), name
    plain = build(SMALL.model_copy(update={"weights": ""}), 3, 96).module.state_dict()
    assert not torch.equal(one["backbone.body.conv1.weight"], plain["backbone.body.conv1.weight"])


def test_every_class_begins_as_anything_marked_and_together_they_are_as_likely():
    features = torch.randn(50, 256, generator=torch.Generator().manual_seed(0))
    likely = []
    for classes in (1, 4):
        network = build(SMALL, classes, 96).module
        with torch.no_grad():
            scores, boxes = network.roi_heads.box_predictor(features)
        chances = scores.softmax(1)[:, 1:]
        assert torch.allclose(chances, chances[:, :1].expand(-1, classes))
        boxes = boxes.view(50, classes + 1, 4)[:, 1:]
        assert torch.equal(boxes, boxes[:, :1].expand(-1, classes, -1))
        likely.append(chances.sum(1))
    assert torch.allclose(*likely, atol=1e-6)
    assert likely[0].std() > 0.01


def test_the_start_finds_marks_before_anything_is_learnt():
    backend = build(SMALL, 3, 96)
    surface = np.full((96, 96, 3), 150, np.uint8)
    surface[40:52, 30:44] = 40
    found = backend.detect(stack([surface, np.full((96, 96, 3), 150, np.uint8)]))

    truth = np.zeros((96, 96), bool)
    truth[40:52, 30:44] = True
    best = found[0][0]
    assert iou(best.mask, truth) > 0.5
    assert best.score > max((one.score for one in found[1]), default=0)


def test_a_network_that_is_about_to_be_replaced_reads_no_start():
    torch.manual_seed(0)
    network = build(SMALL, 3, 96, trained=True).module
    start = build(SMALL, 3, 96).module
    name = "backbone.fpn.inner_blocks.0.0.weight"
    assert not torch.equal(network.state_dict()[name], start.state_dict()[name])


def test_the_embedded_start_fits_one_network_only():
    with pytest.raises(ValueError, match=r"backbone=resnet50 .*size=full"):
        MaskRCNNSettings(weights=EMBEDDED)
    with pytest.raises(ValueError, match="backend=detectron2"):
        MaskRCNNSettings(weights=EMBEDDED, backbone="resnet18", size="small", backend="detectron2")


def test_who_follows_the_way_out_of_the_embedded_start_gets_random_weights():
    with pytest.raises(BadSettings, match=r"leave weights empty \(mask_rcnn\.weights=\)"):
        override(preset("smoke"), ["mask_rcnn.backend=detectron2"])
    other = override(preset("smoke"), ["mask_rcnn.backend=detectron2", "mask_rcnn.weights="])
    assert other.mask_rcnn.weights == ""


def test_a_marks_pieces_are_its_connected_parts_that_can_be_seen():
    mask = np.zeros((16, 16), bool)
    mask[2:5, 2:5] = True
    mask[10:13, 10:12] = True
    mask[15, 0] = True
    found = pieces([Mark("pit", mask), Mark("uneven", np.ones((16, 16), bool))])
    assert sorted(int(one.mask.sum()) for one in found) == [6, 9]


def test_pictures_without_marks_are_a_quarter():
    mask = np.zeros((16, 16), bool)
    mask[2:5, 2:5] = True
    marks = [(Mark("pit", mask),)] * 9 + [()] * 30
    pool = Pool(np.zeros((39, 16, 16, 3), np.uint8), [""] * 39, marks)
    chosen = textures(pool, seed=0)
    assert len(chosen) == 12
    assert sum(not chosen.example(number)[1] for number in range(12)) == 3


def test_pretraining_continues_and_says_what_it_did(tmp_path, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    arguments = {"batch": 2, "peak": 1e-3, "count": 16, "seed": 0, "workers": 1, "naming_steps": 2}
    monkeypatch.setattr("components.mask_rcnn.pretrain._REPORT", 1)
    pretrain(whole, steps=2, **arguments)

    def interrupted(examples, batch, seed, step):
        if step == 1:
            raise KeyboardInterrupt
        return draw(examples, batch, seed, step)

    with monkeypatch.context() as patched:
        patched.setattr("components.mask_rcnn.pretrain.draw", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pretrain(parts, steps=2, **arguments)
    assert not parts.exists()
    pretrain(parts, steps=2, **arguments)
    about = json.loads((whole / "training.json").read_text())
    assert about["quality"]["pieces of marks"] > 0
    assert about["procedure"]["steps"] == 2
    one, other = load_file(whole / FILE), load_file(parts / FILE)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert {value.dtype for value in one.values()} == {torch.float16}


def test_pretraining_goes_on_from_a_start_and_says_from_which(tmp_path):
    arguments = {"batch": 2, "peak": 1e-9, "count": 16, "seed": 0, "workers": 1, "naming_steps": 1}
    pretrain(tmp_path / "first", steps=1, **arguments)
    arguments["seed"] = 1
    pretrain(tmp_path / "alone", steps=1, **arguments)
    pretrain(tmp_path / "second", steps=1, **arguments, start=tmp_path / "first")

    first, alone, second = (
        load_file(tmp_path / name / FILE)["roi_heads.box_head.fc6.weight"]
        for name in ("first", "alone", "second")
    )
    assert torch.equal(first, second) and not torch.equal(first, alone)
    said = [json.loads((tmp_path / name / ABOUT).read_text()) for name in ("first", "second")]
    assert said[1]["procedure"]["before"] == said[0]
    assert said[0]["procedure"]["before"] is None


def test_a_start_that_does_not_fit_is_refused_before_anything_is_learnt(tmp_path):
    start, out = tmp_path / "start", tmp_path / "out"
    start.mkdir()
    arguments = {"steps": 1, "batch": 2, "peak": 1e-3, "count": 16, "seed": 0, "workers": 1}
    with pytest.raises(FileNotFoundError, match=ABOUT):
        pretrain(out, **arguments, start=start)
    assert list(tmp_path.iterdir()) == [start]

    (start / ABOUT).write_text("{}")
    save_file({"conv": torch.zeros(1)}, start / FILE)
    with pytest.raises(ValueError, match=f"the start {start} does not fit"):
        pretrain(out, **arguments, start=start)
    assert not out.exists()
