"""The adapter to detectron2; what needs the library runs where it is installed."""

import importlib.util
import json
from pathlib import Path

import pytest

from components.mask_rcnn.predict import Segmenter
from components.mask_rcnn.settings import MaskRCNNSettings

INSTALLED = importlib.util.find_spec("detectron2") is not None
needed = pytest.mark.skipif(
    not INSTALLED, reason="detectron2 is not on the package index and not installed here"
)


def settings(**fields: object) -> MaskRCNNSettings:
    return MaskRCNNSettings.model_validate(
        {"backend": "detectron2", "backbone": "resnet18", "size": "small", "steps": 2, "batch": 2,
         "validations": 1, "learning_rate": 1e-3, **fields}
    )  # fmt: skip


def test_a_backbone_that_it_lacks_is_named() -> None:
    from components.mask_rcnn.detectron2_backend import configure

    with pytest.raises(ValueError, match="resnet18 or resnet50"):
        configure(settings(backbone="mobilenet_v3"), 2, 32, "cpu")


@pytest.mark.skipif(INSTALLED, reason="detectron2 is installed")
def test_its_absence_is_told_with_the_way_out() -> None:
    from components.mask_rcnn.backend import build

    with pytest.raises(ValueError, match=r"setuptools<80.*backend to torchvision"):
        build(settings(), 2, 32)


@needed
def test_the_configuration_is_the_model_zoos_but_for_what_is_ours() -> None:
    from detectron2.config import get_cfg

    from components.mask_rcnn.detectron2_backend import configure

    ours = configure(settings(backbone="resnet50", size="full"), 3, 512, "cpu")
    # The zoo's own module asks for a part of setuptools that setuptools no longer has.
    zoo = Path(importlib.util.find_spec("detectron2").origin).parent / "model_zoo" / "configs"
    theirs = get_cfg()
    theirs.merge_from_file(str(zoo / "COCO-InstanceSegmentation" / "mask_rcnn_R_50_FPN_3x.yaml"))
    for part in ("RPN", "ROI_BOX_HEAD", "ROI_MASK_HEAD", "FPN"):
        assert ours.MODEL[part] == theirs.MODEL[part], part
    assert ours.MODEL.ROI_HEADS.NUM_CLASSES == 3
    assert ours.MODEL.RESNETS.DEPTH == 50 and ours.MODEL.MASK_ON
    assert ours.MODEL.WEIGHTS == ""


@needed
def test_it_trains_saves_and_loads(dataset: Path, tmp_path: Path) -> None:
    from components.dataset import Dataset
    from components.mask_rcnn.train import train

    outcome = train(tmp_path, settings(), dataset, 1.0, "real", 0)
    assert len(outcome.curves["loss"]) == 2
    data = Dataset(dataset)
    frames = [frame for frame in data.all_frames if frame.split == "val"]
    again = Segmenter.load(tmp_path).detect([data.image(frame) for frame in frames])
    written = json.loads((tmp_path / "predictions" / "val.json").read_text())
    assert written
    assert [one.score for image in again for one in image] == [one["score"] for one in written]


@needed
def test_a_second_training_gives_the_same_weights(dataset: Path, tmp_path: Path) -> None:
    from components.mask_rcnn.train import train
    from components.store import digest_tree

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        train(tmp_path / name, settings(), dataset, 1.0, "real", 0)
    assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "two")
