"""Photos annotated in YOLO's form for segmentation."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inspected import defects, problems_of
from photos import draw_piece, expose, write
from PIL import Image

from components.data_versioning.inspect import inspect
from components.data_versioning.layout import layout
from components.data_versioning.read import Reader
from components.data_versioning.settings import DataSettings

SIDE = 48
SQUARE = "0.25 0.25 0.5 0.25 0.5 0.75 0.25 0.75"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos of a crack, three of a pit and three without a defect, in three parts."""
    (tmp_path / "data.yaml").write_text("train: images/train\nnc: 2\nnames: [crack, pit]\n")
    for number in range(9):
        part = ("train", "valid", "test")[number % 3]
        write(
            tmp_path / "images" / part / f"{number}.png", expose(draw_piece(number, side=SIDE), 0)
        )
        label = tmp_path / "labels" / part / f"{number}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("" if number > 5 else f"{number // 3} {SQUARE}\n")
    return tmp_path


def test_outlines_become_defects_in_their_parts(folder: Path) -> None:
    found = inspect(folder, DataSettings(), (1.0,), 0)
    assert (found.form, found.photos, found.defect_free) == ("YOLO", 9, 3)
    assert found.per_class == {"crack": 3, "pit": 3}
    assert found.given == {"train": 3, "val": 3, "test": 3}
    assert defects(folder, "images/train/0.png") == [("crack", 12 * 24, (12, 12, 12, 24))]


@pytest.mark.parametrize(
    ("names", "file"),
    [
        ("names:\n  0: crack\n  1: pit\n", "dataset.yml"),
        ("crack\npit\n", "classes.txt"),
        ("crack\npit\n", "obj.names"),
        ("crack\npit\n", "labels/classes.txt"),
    ],
)
def test_where_the_names_of_the_classes_are_looked_for(folder: Path, names: str, file: str) -> None:
    (folder / "data.yaml").unlink()
    (folder / file).write_text(names)
    assert inspect(folder, DataSettings(), (1.0,), 0).per_class == {"crack": 3, "pit": 3}


def test_classes_without_names(folder: Path) -> None:
    (folder / "data.yaml").unlink()
    assert inspect(folder, DataSettings(), (1.0,), 0).per_class == {"class 0": 3, "class 1": 3}
    for label in (folder / "labels").rglob("*.txt"):
        label.write_text(label.read_text().replace("1 ", "0 ", 1))
    assert inspect(folder, DataSettings(), (1.0,), 0).per_class == {"defect": 6}


def test_labels_beside_the_photos(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / f"{number}.png", expose(draw_piece(number, side=SIDE), 0))
        (tmp_path / f"{number}.txt").write_text(f"0 {SQUARE}\n" if number < 3 else "")
    (tmp_path / "train.txt").write_text("0.png\n")
    found = inspect(tmp_path, DataSettings(), (1.0,), 0)
    assert (found.form, found.photos, found.defect_free) == ("YOLO", 4, 1)


def test_all_that_is_wrong_is_told(folder: Path) -> None:
    labels = folder / "labels"
    (labels / "train" / "0.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (labels / "valid" / "1.txt").write_text(f"7 {SQUARE}\n")
    (labels / "test" / "2.txt").write_text("0 0.1 0.1 0.2 0.2 0.3\n")
    (labels / "train" / "3.txt").write_text("1 300 200 310 200 310 210\n")
    (labels / "valid" / "4.txt").write_text(f"pit {SQUARE}\n")
    (labels / "test" / "8.txt").unlink()
    (labels / "train" / "orphan.txt").write_text(f"0 {SQUARE}\n")
    said = problems_of(folder)
    assert said["labels/train/0.txt"] == "line 1 is a box, not an outline"
    assert said["labels/valid/1.txt"] == "line 1 is of class 7, which has no name"
    assert "5 coordinates" in said["labels/test/2.txt"]
    assert "14400" in said["images/train/3.png"]
    assert said["labels/valid/4.txt"] == "line 1 is not a class number and an outline"
    assert said["images/test/8.png"] == "photo without a mask or an annotation"
    assert said["labels/train/orphan.txt"] == "outlines without image"


def test_photos_in_a_folder_named_good_need_no_file(folder: Path) -> None:
    write(folder / "images" / "good" / "a.png", expose(draw_piece(20, side=SIDE), 0))
    assert inspect(folder, DataSettings(), (1.0,), 0).defect_free == 4


def test_shares_are_of_the_upright_photo(folder: Path) -> None:
    """Turned by a quarter, a photo of 40 x 24 pixels is 24 x 40 when it is upright."""
    path = folder / "images" / "train" / "0.jpg"
    (folder / "images" / "train" / "0.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.full((24, 40, 3), 90, np.uint8)).save(path, exif=exif)
    (folder / "labels" / "train" / "0.txt").write_text("0 0 0 0.5 0 0.5 0.25 0 0.25\n")
    assert defects(folder, "images/train/0.jpg") == [("crack", 12 * 10, (0, 0, 12, 10))]


def test_text_files_that_are_no_outlines_leave_the_form_open(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "images" / f"{number}.png", expose(draw_piece(number, side=SIDE), 0))
        write(tmp_path / "masks" / f"{number}.png", np.zeros((SIDE, SIDE), np.uint8))
        (tmp_path / "images" / f"{number}.txt").write_text("taken on a Monday\n")
    assert layout(tmp_path).form == "image and mask folders"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_outlines_of_drawn_shapes_come_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """A mask's own contour, written as shares with six digits, marks that mask to a pixel."""
    root = tmp_path_factory.mktemp("yolo")
    rng = np.random.default_rng(seed)
    height, width = (int(value) for value in rng.integers(40, 90, 2))
    mask = np.zeros((height, width), np.uint8)
    centre = (int(rng.integers(15, width - 15)), int(rng.integers(15, height - 15)))
    cv2.ellipse(
        mask, centre, (int(rng.integers(4, 14)), int(rng.integers(4, 14))), 0, 0, 360, 1, -1
    )
    ((contour,), _) = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    shares = (contour[:, 0] + 0.5) / (width, height)
    write(root / "a.png", np.zeros((height, width), np.uint8))
    (root / "a.txt").write_text("0 " + " ".join(f"{value:.6f}" for value in shares.reshape(-1)))
    write(root / "good" / "b.png", np.ones((height, width), np.uint8))
    found = layout(root)
    (entry,) = [one for one in found.entries if one.file == "a.png"]
    (instance,) = Reader(root, found.classes, 1).open(entry)[1]
    # A line through the centres of the rim's pixels leaves open which side these are on.
    core, reach = (
        way(mask, np.ones((3, 3), np.uint8)).astype(bool) for way in (cv2.erode, cv2.dilate)
    )
    assert instance.mask[core].all() and not instance.mask[~reach].any()
