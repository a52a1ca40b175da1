"""Photos annotated with labelme."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from inspected import defects, problems_of
from numpy.typing import NDArray
from photos import draw_piece, expose, write

from components.data_versioning.inspect import inspect
from components.data_versioning.settings import DataSettings

SIDE = 48
SQUARE = [[10, 10], [20, 10], [20, 30], [10, 30]]


def shape(label: str, points: object, kind: str = "polygon", group: int | None = None) -> Any:
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": {}}


def save(file: Path, shapes: object, image: str, **fields: object) -> None:
    """Write what labelme writes, the photo in base 64 included."""
    document: Mapping[str, Any] = {
        "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": image, "imageData": "aGk=",
        "imageHeight": SIDE, "imageWidth": SIDE, **fields,
    }  # fmt: skip
    file.write_text(json.dumps(document))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos of a crack, three of a pit, three defect-free ones."""
    for number in range(9):
        place = tmp_path / ("good" if number > 5 else ".") / f"{number}.png"
        write(place, expose(draw_piece(number, side=SIDE), 0))
        if number < 6:
            label = "crack" if number < 3 else "pit"
            save(tmp_path / f"{number}.json", [shape(label, SQUARE)], f"{number}.png")
    return tmp_path


def test_outlines_become_defects(folder: Path) -> None:
    found = inspect(folder, DataSettings(), (1.0,), 0)

    assert (found.form, found.photos, found.defect_free) == ("labelme", 9, 3)
    assert found.per_class == {"crack": 3, "pit": 3}
    assert defects(folder, "0.png") == [("crack", 200, (10, 10, 10, 20))]


def test_rectangles_circles_and_groups(folder: Path) -> None:
    left, right = ([[x, 5], [x + 6, 5], [x + 6, 11], [x, 11]] for x in (4, 20))
    save(
        folder / "0.json",
        [
            shape("crack", [[20, 30], [10, 10]], "rectangle"),
            shape("pit", [[30, 30], [30, 36]], "circle"),
            shape("pit", [[40, 2], [44, 6], [40, 10], [36, 6]], "oriented_rectangle"),
            shape("crack", left, group=7),
            shape("crack", right, group=7),
            shape("pit", left, group=7),
        ],
        "0.png",
    )

    one, grouped, circle, turned, apart = defects(folder, "0.png")

    assert one == ("crack", 200, (10, 10, 10, 20))
    assert grouped == ("crack", 72, (4, 5, 22, 6))
    assert circle[0] == "pit" and abs(circle[1] - np.pi * 36) < 8
    assert turned[0] == "pit" and abs(turned[1] - 32) < 8
    assert apart == ("pit", 36, (4, 5, 6, 6))


def mask_of(pixels: NDArray[np.uint8], corner: tuple[int, int]) -> Any:
    """A mask with its upper left corner at (x, y)."""
    content = cv2.imencode(".png", pixels)[1].tobytes()
    (x, y), (height, width) = corner, pixels.shape
    box = [[x, y], [x + width - 1, y + height - 1]]
    return shape("crack", box, "mask") | {"mask": base64.b64encode(content).decode()}


def test_masks_that_a_model_has_drawn(folder: Path) -> None:
    pixels = np.zeros((6, 9), np.uint8)
    pixels[0] = pixels[:, 0] = 255
    save(folder / "0.json", [mask_of(pixels, (7, 3))], "0.png")
    save(folder / "1.json", [mask_of(pixels, (39, 42))], "1.png")

    assert defects(folder, "0.png") == [("crack", 14, (7, 3, 9, 6))]
    assert defects(folder, "1.png") == [("crack", 14, (39, 42, 9, 6))]

    save(folder / "0.json", [mask_of(pixels, (40, 3))], "0.png")
    save(folder / "1.json", [mask_of(pixels, (7, 3)) | {"points": [[7, 3], [9, 9]]}], "1.png")
    save(folder / "2.json", [mask_of(pixels, (7, 3)) | {"mask": "no picture"}], "2.png")
    told = problems_of(folder)
    assert "stands out of its image" in told["0.json"]
    assert "9 x 6 pixels in another box" in told["1.json"]
    assert told["2.json"].startswith("not usable")


def test_a_photo_is_found_by_its_path_or_beside_its_file(folder: Path) -> None:
    before = defects(folder, "1.png")
    (folder / "json").mkdir()
    (folder / "0.json").rename(folder / "json" / "0.json")
    save(folder / "json" / "0.json", [shape("crack", SQUARE)], "..\\0.png")
    save(folder / "1.json", [shape("crack", SQUARE)], "C:\\Users\\me\\Desktop\\1.png")
    save(folder / "2.json", [shape("crack", SQUARE)], "/home/me/2.png")

    assert defects(folder, "0.png") == defects(folder, "1.png") == before
    assert defects(folder, "2.png") == before


def test_all_that_is_wrong_is_told(folder: Path, tmp_path: Path) -> None:
    save(folder / "0.json", [shape("crack", [[1, 1], [5, 5]], "linestrip")], "0.png")
    save(folder / "1.json", [shape("crack", [[1, 1], [5, 5]])], "1.png")
    save(folder / "2.json", [shape("crack", SQUARE)], "2.png", imageHeight=None)
    save(folder / "3.json", [{"points": SQUARE}], "3.png")
    save(folder / "4.json", "shapes", "4.png")
    (folder / "5.json").unlink()
    save(folder / "6.json", [shape("crack", SQUARE)], "6.png")
    save(folder / "7.json", [shape("crack", SQUARE)], "../../etc/passwd")

    told = problems_of(folder)

    assert "'linestrip' has no area" in told["0.json"]
    assert "a polygon of 2 points" in told["1.json"]
    assert all(told[f"{number}.json"].startswith("not usable") for number in (2, 3, 4))
    assert told["5.png"] == "photo without a mask or an annotation"
    assert told["6.json"] == "its image 6.png is not there"
    assert told["7.json: ../../etc/passwd"] == "the path leaves the folder"


def test_an_outline_far_outside_and_another_size_are_told(folder: Path) -> None:
    save(folder / "0.json", [shape("crack", [[1, 1], [1e8, 1], [1, 1e8]])], "0.png")
    save(folder / "1.json", [shape("crack", SQUARE)], "1.png", imageWidth=SIDE + 1)

    told = problems_of(folder)

    assert "coordinate 100000000.0" in told["0.png"]
    assert "annotated at 49 x 48 pixels" in told["1.png"]


def test_the_annotations_enter_the_digest(folder: Path) -> None:
    before = inspect(folder, DataSettings(), (1.0,), 0).digest
    save(folder / "0.json", [shape("crack", SQUARE[:3])], "0.png")

    assert inspect(folder, DataSettings(), (1.0,), 0).digest != before
