"""Everything that is wrong with a folder is told at once."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from photos import draw_folder, draw_piece, expose, write

from components.data_versioning.inspect import inspect
from components.data_versioning.problems import SHOWN, BadData, Problem, table, told
from components.data_versioning.settings import DataSettings
from components.data_versioning.shapes import check_segmentation
from components.instances import encode


def problems_of(folder: Path, **fields: object) -> list[Problem]:
    with pytest.raises(BadData) as caught:
        inspect(folder, DataSettings(**fields), (0.01, 1.0), 0)
    return caught.value.problems


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_folder(tmp_path / "photos", pieces=3, exposures=1, side=48)


def test_all_problems_of_files_come_in_one_table(folder: Path) -> None:
    images, masks = folder / "images", folder / "masks"
    content = (images / "crack" / "000.png").read_bytes()
    (images / "crack" / "000.png").write_bytes(content[: len(content) // 2])
    (images / "crack" / "001.png").write_bytes(b"no picture")
    (images / "good" / "000.png").write_bytes(b"")
    write(masks / "pit" / "000.png", np.zeros((48, 40), np.uint8))
    ramp = np.tile(np.arange(48, dtype=np.uint8) * 5, (48, 1))
    write(masks / "pit" / "001.png", ramp)
    write(masks / "pit" / "orphan.png", np.zeros((48, 48), np.uint8))
    (masks / "pit" / "002.png").unlink()

    problems = problems_of(folder)
    said = {one.file: one.problem for one in problems}
    assert "cannot be read" in said["images/crack/000.png"]
    assert "cannot be read" in said["images/crack/001.png"]
    assert "cannot be read" in said["images/good/000.png"]
    assert "mask is 40 x 48 pixels, its image 48 x 48" in said["masks/pit/000.png"]
    assert "grey values (5, 10, 15, 20, ...)" in said["masks/pit/001.png"]
    assert said["masks/pit/orphan.png"] == "mask without image"
    assert said["images/pit/002.png"].startswith("photo without a mask")
    text = table(problems, width=100)
    assert all(file in text for file in said)
    assert max(len(line) for line in text.splitlines()) <= 100


def test_what_is_wrong_with_every_file_is_counted(folder: Path) -> None:
    for number in range(40):
        mask = np.full((48, 48), number + 2, np.uint8)
        write(folder / "masks" / "pit" / f"{number:03d}.png", mask)
    problems = problems_of(folder)
    grey = [one for one in problems if "grey values" in one.problem]
    orphans = [one for one in problems if one.problem == "mask without image"]
    assert len(grey) == 3 and len(orphans) == 37
    text = told(problems)
    assert all(one.file in text for one in (*grey, *orphans[:SHOWN]))
    assert f"and {37 - SHOWN} more" in text and orphans[SHOWN].file not in text

    whole = Path(text.splitlines()[-1].removeprefix(f"All {len(problems)} problems: "))
    with whole.open(newline="") as file:
        rows = list(csv.DictReader(file))
    whole.unlink()
    assert [Problem(*row.values()) for row in rows] == problems


def test_few_problems_need_no_file(folder: Path) -> None:
    (folder / "masks" / "pit" / "000.png").unlink()
    problems = problems_of(folder)
    assert told(problems) == table(problems)


def test_label_maps_without_names_and_with_too_few(tmp_path: Path) -> None:
    for number, value in enumerate((0, 0, 0, 1, 1, 1, 2, 2, 2, 9)):
        write(tmp_path / "images" / f"{number}.png", expose(draw_piece(number, side=48), 0))
        mask = np.zeros((48, 48), np.uint8)
        mask[10:30, 10:30] = value
        write(tmp_path / "labels" / f"{number}.png", mask)
    assert {one.file for one in problems_of(tmp_path)} == {
        f"labels/{number}.png" for number in range(6, 10)
    }
    assert all("classes.txt" in one.remedy for one in problems_of(tmp_path))
    (tmp_path / "classes.txt").write_text("crack\npit\n")
    (problem,) = problems_of(tmp_path)
    assert problem.file == "labels/9.png"
    assert problem.problem == "label map with the values 9; classes.txt names 1 to 2"
    for bad in ("", "crack\ncrack\n"):
        (tmp_path / "classes.txt").write_text(bad)
        assert "classes.txt" in {one.file for one in problems_of(tmp_path)}


def test_a_soft_edge_is_no_grey_mask(folder: Path) -> None:
    import cv2

    soft = np.zeros((48, 48), np.uint8)
    cv2.circle(soft, (24, 24), 9, 255, -1, cv2.LINE_AA)
    assert np.unique(soft).size > 2
    write(folder / "masks" / "pit" / "000.png", soft)
    assert inspect(folder, DataSettings(), (1.0,), 0).per_class["pit"] == 3


@pytest.mark.parametrize("value", [1, 2, 128, 254])
def test_only_0_and_1_pass_for_a_mask_beside_0_and_255(folder: Path, value: int) -> None:
    mask = np.zeros((48, 48), np.uint8)
    mask[8:40, 8:40] = value
    write(folder / "masks" / "pit" / "000.png", mask)
    if value == 1:
        assert inspect(folder, DataSettings(), (1.0,), 0).instances["pit"] == 3
    else:
        assert [one.file for one in problems_of(folder)] == ["masks/pit/000.png"]


def test_a_marked_defect_among_the_defect_free(folder: Path) -> None:
    mask = np.zeros((48, 48), np.uint8)
    write(folder / "masks" / "good" / "000.png", mask)
    inspect(folder, DataSettings(), (1.0,), 0)
    mask[10:20, 10:20] = 255
    write(folder / "masks" / "good" / "000.png", mask)
    assert [one.file for one in problems_of(folder)] == ["masks/good/000.png"]


def test_an_unknown_class_lists_those_found(folder: Path) -> None:
    (problem,) = problems_of(folder, classes=("crack", "dent"))
    assert (problem.file, problem.remedy) == ("dent", "choose of crack, pit")


def test_fewer_images_than_a_fraction_needs(folder: Path) -> None:
    for name in ("001.png", "002.png"):
        (folder / "images" / "pit" / name).unlink()
        (folder / "masks" / "pit" / name).unlink()
    (problem,) = problems_of(folder)
    assert problem.file == "pit" and "fewer than a fraction" in problem.problem


def test_one_image_in_two_parts_and_a_class_without_training_images(tmp_path: Path) -> None:
    for number in range(4):
        piece = draw_piece(number, "pit" if number < 3 else "", 48)
        part = tmp_path / ("test" if number < 3 else "train")
        write(part / "images" / f"{number}.png", expose(piece, 0))
        write(part / "masks" / f"{number}.png", piece.mask.astype(np.uint8) * 255)
    write(tmp_path / "train" / "images" / "copy.png", expose(draw_piece(1, "pit", 48), 0))
    write(tmp_path / "train" / "masks" / "copy.png", np.zeros((48, 48), np.uint8))
    said = {one.file: one.problem for one in problems_of(tmp_path)}
    assert "the same image as test/images/1.png" in said["train/images/copy.png"]
    assert said["defect"] == "class without training images"


@pytest.mark.parametrize("mask", ["masks/{}.png", "images/{}_mask.png"])
def test_a_photo_that_nobody_annotated_is_not_taken_for_defect_free(
    tmp_path: Path, mask: str
) -> None:
    """CrackForest has 37 photos of cracks without a mask beside 118 with one."""
    for number in range(8):
        piece = draw_piece(number, "pit", 48)
        write(tmp_path / "images" / f"{number}.png", expose(piece, 0))
        if number < 6:
            write(tmp_path / mask.format(number), piece.mask.astype(np.uint8) * 255)
    found = problems_of(tmp_path)
    assert [one.file for one in found] == ["images/6.png", "images/7.png"]
    assert all("unmarked=defect_free" in one.remedy for one in found)
    shown = inspect(tmp_path, DataSettings(unmarked="defect_free"), (1.0,), 0)
    assert (shown.photos, shown.defect_free) == (8, 2)
    # Those with a mask have places without a defect to stand in.
    shown = inspect(tmp_path, DataSettings(unmarked="left_out"), (1.0,), 0)
    assert (shown.photos, shown.defect_free) == (6, 0)


def test_masks_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "image" / f"{number}.png", expose(draw_piece(number, "pit", 48), 0))
        (tmp_path / "groundTruth").mkdir(exist_ok=True)
        (tmp_path / "groundTruth" / f"{number}.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    (problem,) = problems_of(tmp_path)
    assert "3 .mat files" in problem.problem and "PNG" in problem.problem


def test_paths_that_leave_the_folder(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "secret.png", np.zeros((48, 48, 3), np.uint8))
    (folder / "images" / "good" / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "more").symlink_to(tmp_path)
    said = {one.file: one.problem for one in problems_of(folder)}
    assert said == {
        "images/good/link.png": "the path leaves the folder",
        "more": "the path leaves the folder",
    }


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/../../secret.png"])
def test_coco_names_that_leave_the_folder(folder: Path, tmp_path: Path, name: str) -> None:
    write(tmp_path / "secret.png", np.zeros((48, 48, 3), np.uint8))
    image = {"id": 1, "file_name": name, "height": 48, "width": 48}
    document = {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "pit"}]}
    (folder / "annotations.json").write_text(json.dumps(document))
    assert (name, "the path leaves the folder") in [
        (one.file, one.problem) for one in problems_of(folder)
    ]


INFINITE = (
    '{"images": [{"id": 1, "file_name": "images/good/000.png", "height": Infinity, "width": 48}], '
    '"annotations": [], "categories": []}'
)


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[" * 100_000,
        '{"images": [1], "annotations": [], "categories": []}',
        INFINITE,
        "[]",
    ],
    ids=["cut off", "deep", "numbers", "infinite", "no object"],
)
def test_json_that_is_not_coco(folder: Path, document: str) -> None:
    (folder / "annotations.json").write_text(document)
    if document == "[]":
        inspect(folder, DataSettings(), (1.0,), 0)
    else:
        assert "annotations.json" in {one.file for one in problems_of(folder)}


def write_coco(folder: Path, segmentation: Any, category: int = 1) -> None:
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("images/*/*.png"))
    images = [
        {"id": number, "file_name": file, "height": 48, "width": 48}
        for number, file in enumerate(files)
    ]
    shown: dict[str, Any] = {"category_id": category, "bbox": [8, 8, 8, 8], "iscrowd": 0}
    square = [[8, 8, 16, 8, 16, 16, 8, 16]]
    annotations = [
        {"id": 1, "image_id": 0, "segmentation": segmentation, **shown},
        *({"id": one, "image_id": one, "segmentation": square, **shown} for one in (2, 3, 4)),
    ]
    (folder / "annotations.json").write_text(
        json.dumps(
            {
                "images": images,
                "annotations": annotations,
                "categories": [{"id": 1, "name": "pit"}],
            }
        )
    )


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        # The library that decodes them would end the process, or fail with an error of no kind.
        ([[0, 0, 1e8, 0, 1e8, 1e8]], "100000000.0, its image is 48 x 48"),
        ([[0, 0, float("inf"), 0, 5, 5]], "coordinate inf"),
        ([[float("nan")] * 6], "coordinate nan"),
        ([[0, 0, 10**400, 0, 5, 5]], "coordinate 1000"),
        ([[]], "not []"),
        ([[1, 2, 3]], "not [1, 2, 3]"),
        ([[[1, 2], [3, 4]]], "not [[1, 2], [3, 4]]"),
        ([["a", "b", "c", "d"]], "coordinate 'a'"),
        # Pixels beyond the last run would be what was in memory.
        ({"counts": [5, 3], "size": [48, 48]}, "8 pixels"),
        ({"counts": [-5, 2309], "size": [48, 48]}, "[-5, 2309]"),
        ({"counts": "53", "size": [48, 48]}, "8 pixels"),
        ({"counts": "zz", "size": [48, 48]}, "sign 'z'"),
        ({"counts": None, "size": [48, 48]}, "None"),
        ("nothing", "neither polygons nor"),
    ],
)
def test_an_annotation_that_cannot_be_decoded_is_told(
    folder: Path, segmentation: Any, said: str
) -> None:
    write_coco(folder, segmentation)
    (problem,) = problems_of(folder)
    assert problem.file == "images/crack/000.png"
    assert said in problem.problem


def test_a_polygon_may_stand_out_of_its_image(folder: Path) -> None:
    write_coco(folder, [[-3, 20, 20, 20, 20, 60.5, -3, 60.5]])
    assert inspect(folder, DataSettings(), (1.0,), 0).instances == {"pit": 4}


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40)), st.data())
def test_every_code_that_is_whole_passes_and_no_other(
    mask: np.ndarray, data: st.DataObject
) -> None:
    code = encode(mask)
    check_segmentation(code, *mask.shape)
    cut = data.draw(st.integers(0, len(code["counts"]) - 1))
    with pytest.raises(ValueError, match="run-length code"):
        check_segmentation(code | {"counts": code["counts"][:cut]}, *mask.shape)


def test_a_coco_file_of_unlisted_categories_is_all_that_is_told(folder: Path) -> None:
    write_coco(folder, [[8, 8, 16, 8, 16, 16, 8, 16]], category=7)
    (problem,) = problems_of(folder)
    assert problem.file == "annotations.json" and "category 7" in problem.problem


def test_a_folder_of_no_known_form_lists_the_forms(tmp_path: Path) -> None:
    assert "no pictures" in problems_of(tmp_path)[0].problem
    assert "not a folder" in problems_of(tmp_path / "missing")[0].problem
    write(tmp_path / "a.png", np.zeros((48, 48), np.uint8))
    remedies = " ".join(one.remedy for one in problems_of(tmp_path))
    assert all(word in remedies for word in ("COCO", "pairs", "class folders", "_GT", "MVTec"))


def test_groups_that_the_user_names(folder: Path) -> None:
    assert problems_of(folder, group_column="piece")[0].file == "groups.csv"
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("images/*/*.png"))
    rows = [f"{file},{at // 2}" for at, file in enumerate(files)]
    (folder / "groups.csv").write_text("\n".join(["file,piece", *rows[1:]]))
    (problem,) = problems_of(folder, group_column="piece")
    assert problem.file == files[0]
    (folder / "groups.csv").write_text("\n".join(["file,piece", *rows]))
    found = inspect(folder, DataSettings(), (1.0,), 0)
    assert found.pieces == len({row.split(",")[1] for row in rows})
    assert "columns file and plate" in problems_of(folder, group_column="plate")[0].remedy
    by_name = DataSettings(group_pattern=r"/(\d+)\.png")
    assert inspect(folder, by_name, (1.0,), 0).pieces == 3
    assert "no group" in problems_of(folder, group_pattern=r"\d+")[0].problem
    assert "does not match" in problems_of(folder, group_pattern=r"good/(\d+)")[0].problem


def test_names_that_no_table_takes(folder: Path) -> None:
    good = folder / "images" / "good"
    (good / "000.png").rename(good / "\udcff.png")  # the byte FF
    (folder / "images" / "pit").rename(folder / "images" / "pit\x1b[31m")
    (folder / "masks" / "pit").rename(folder / "masks" / "pit\x1b[31m")
    problems = problems_of(folder)
    assert [one.problem for one in problems if one.file.endswith(".png")] == [
        "the name is not UTF-8"
    ]
    assert "class name 'pit\\x1b[31m' cannot be shown" in {one.problem for one in problems}
    assert "\udcff" not in table(problems)


def test_signs_that_steer_a_terminal_are_not_shown() -> None:
    assert "\x1b" not in table([Problem("a\x1b[31m.png", "b", "c")])
