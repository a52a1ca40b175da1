"""Photos whose defects are runs of pixels in a table."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from inspected import defects, problems_of
from numpy.typing import NDArray
from photos import draw_piece, expose, write

from components.data_versioning.inspect import inspect
from components.data_versioning.settings import DataSettings
from components.data_versioning.shapes import Runs
from components.instances import decode

SIDE = 48


def encoded(mask: NDArray[np.bool_]) -> str:
    """The competitions' code of a mask."""
    flat = np.concatenate([[False], mask.T.reshape(-1), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, ends = edges[0::2], edges[1::2]
    return " ".join(f"{start} {end - start}" for start, end in zip(starts, ends, strict=True))


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)))
def test_a_code_gives_its_mask_back(mask: NDArray[np.bool_]) -> None:
    runs = Runs.parse(encoded(mask))
    np.testing.assert_array_equal(decode(runs.coco(*mask.shape), *mask.shape), mask)


@given(st.lists(st.integers(-3, 40), max_size=6))
def test_a_code_is_refused_or_means_what_it_says(numbers: list[int]) -> None:
    try:
        runs = Runs.parse(" ".join(str(one) for one in numbers)).coco(5, 6)
    except ValueError:
        return
    marked = np.zeros(30, bool)
    for start, length in zip(numbers[0::2], numbers[1::2], strict=True):
        assert not marked[start - 1 : start - 1 + length].any()
        marked[start - 1 : start - 1 + length] = True
    assert marked.sum() == sum(numbers[1::2])
    np.testing.assert_array_equal(decode(runs, 5, 6), marked.reshape(6, 5).T)


def mask_of(left: int) -> NDArray[np.bool_]:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[10:30, left : left + 8] = True
    return mask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos of class 1, three of class 3, one of both, two that no row names."""
    rows = [("ImageId", "ClassId", "EncodedPixels")]
    for number in range(9):
        write(tmp_path / "train_images" / f"{number}.png", expose(draw_piece(number, "", SIDE), 0))
        if number < 7:
            rows.append((f"{number}.png", "1" if number < 3 else "3", encoded(mask_of(4))))
    rows.append(("6.png", "1", encoded(mask_of(30))))
    write(tmp_path / "test_images" / "a.png", expose(draw_piece(20, "", SIDE), 0))
    with (tmp_path / "train.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return tmp_path


def test_rows_become_defects(folder: Path) -> None:
    settings = DataSettings(unmarked="defect_free")
    found = inspect(folder, settings, (1.0,), 0)
    assert (found.photos, found.defect_free) == (9, 2)
    assert found.per_class == {"class 1": 4, "class 3": 4}
    for name in ("7.png", "8.png"):
        (folder / "train_images" / name).unlink()
    assert defects(folder, "train_images/6.png") == [
        ("class 1", 160, (30, 10, 8, 20)),
        ("class 3", 160, (4, 10, 8, 20)),
    ]


def test_defects_of_a_class_that_do_not_touch_are_several(folder: Path) -> None:
    two = mask_of(4) | mask_of(30)
    table = folder / "train.csv"
    table.write_text(table.read_text().replace(encoded(mask_of(4)), encoded(two), 1))
    for name in ("7.png", "8.png"):
        (folder / "train_images" / name).unlink()
    assert [box for _, _, box in defects(folder, "train_images/0.png")] == [
        (4, 10, 8, 20),
        (30, 10, 8, 20),
    ]


def test_photos_that_no_row_names_may_be_still_to_annotate(folder: Path) -> None:
    assert set(problems_of(folder)) == {"train_images/7.png", "train_images/8.png"}


def test_one_column_for_name_and_class_and_empty_codes(folder: Path) -> None:
    rows = [("ImageId_ClassId", "EncodedPixels")]
    for number in range(9):
        for kind in (1, 2):
            shown = number < 6 and kind == 1 + number % 2
            rows.append((f"{number}.png_{kind}", encoded(mask_of(4)) if shown else ""))
    with (folder / "train.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    found = inspect(folder, DataSettings(), (1.0,), 0)
    assert (found.photos, found.defect_free) == (9, 3)
    assert found.per_class == {"class 1": 3, "class 2": 3}


def test_all_that_is_wrong_with_a_table_is_told(folder: Path) -> None:
    table = folder / "train.csv"
    lines = table.read_text().splitlines()
    lines += ["none.png,1,1 2", "7.png,1,5", "8.png,1,1 4 3 2", "8.png,3,x y"]
    table.write_text("\n".join([*lines, "7.png,3,2300 20"]) + "\n")
    said = problems_of(folder)
    assert said["train.csv:10"] == "its image 'none.png' is not there"
    assert "without a length" in said["train.csv:11"]
    assert "begins before another's end" in said["train.csv:12"]
    assert "no numbers" in said["train.csv:13"]
    assert "ends at pixel 2319, its image is 48 x 48" in said["train_images/7.png"]


def test_other_tables_are_left_alone(folder: Path) -> None:
    (folder / "train.csv").write_text("file,piece\n0.png,a\n")
    assert "train.csv" not in problems_of(folder)
