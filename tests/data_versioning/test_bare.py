"""Where no photo is defect-free, places beside the defects stand in, and only those."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import draw_folder, draw_piece, expose, write

from components.data_versioning.bare import MOST, bare_squares, sides
from components.data_versioning.entry import Entry
from components.data_versioning.framing import SHRUNK, Extent, cut
from components.data_versioning.inspect import inspect
from components.data_versioning.problems import BadData
from components.data_versioning.read import Fact
from components.data_versioning.settings import DataSettings
from components.data_versioning.version import version
from components.dataset import Dataset, read_image
from components.instances import Mask, connected
from components.outcome import Outcome


def fact(mask: Mask, *, complete: bool = True) -> Fact:
    defects = tuple(Extent.of(one) for one in connected(mask, 0))
    height, width = mask.shape
    return Fact("a", Entry("a.png"), "", (), "", height, width, ("crack",), False, False,
                complete, defects)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_squares_lie_inside_and_keep_clear_of_every_defect(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(20, 150)), data.draw(st.integers(20, 150))
    mask = np.zeros((height, width), bool)
    for _ in range(data.draw(st.integers(1, 4))):
        y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        mask[y : y + data.draw(st.integers(1, 60)), x : x + data.draw(st.integers(1, 60))] = True
    framing = data.draw(st.sampled_from(["photo", "window"]))
    seed = data.draw(st.integers(0, 99))
    found = bare_squares(fact(mask), framing, 32, seed)
    usual = sides(fact(mask), framing, 32, seed)
    assert (max(usual) == max(height, width)) if framing == "photo" else (max(usual) >= 32)
    assert len(found) <= MOST and len({side for *_, side in found}) <= 1
    for x, y, side in found:
        assert side in usual
        assert 0 <= x <= width - side and 0 <= y <= height - side
        gap = math.ceil(side / 24)
        near = mask[max(0, y - gap) : y + side + gap, max(0, x - gap) : x + side + gap]
        assert not near.any()
    for number, (x, y, side) in enumerate(found):
        for other_x, other_y, _ in found[:number]:
            assert max(abs(x - other_x), abs(y - other_y)) >= side / 2


def test_a_place_is_found_wherever_there_is_one() -> None:
    mask = np.ones((100, 100), bool)
    assert bare_squares(fact(mask), "window", 32, seed=0) == []
    mask = np.zeros((100, 100), bool)
    mask[:, :58] = True  # 42 columns are free, less 2 beside the defect
    (one, *others) = bare_squares(fact(mask), "window", 32, seed=0)
    assert one[2] == 32 and others
    assert {side for _, _, side in bare_squares(fact(mask), "window", 48, seed=0)} == {36}
    assert bare_squares(fact(mask), "window", 96, seed=0) == []


def test_squares_are_seen_at_the_scale_of_the_defects_where_there_is_room() -> None:
    mask = np.zeros((200, 300), bool)
    mask[100:102] = True  # a crack through the photo, shown in pieces
    (side,) = {side for _, _, side in bare_squares(fact(mask), "window", 32, seed=0)}
    assert 32 < side <= SHRUNK * 32
    mask[60:140] = True  # leaves strips of 60 pixels
    assert {side for _, _, side in bare_squares(fact(mask), "window", 32, seed=0)} == {32}


def test_the_one_place_of_a_large_photo_is_found() -> None:
    mask = np.ones((1500, 2000), bool)
    mask[700:736, 1100:1136] = False  # room for 32 pixels and 2 on every side, and nothing else
    around = fact(mask)
    boxes = ((0, 0, 2000, 700), (0, 736, 2000, 764), (0, 700, 1100, 36), (1136, 700, 864, 36))
    defects = tuple(replace(around.defects[0], bounds=one, stones=(one,)) for one in boxes)
    found = bare_squares(replace(around, defects=defects), "window", 32, seed=0)
    assert found == [(1102, 702, 32)]


def test_what_is_annotated_but_not_read_leaves_no_square() -> None:
    mask = np.zeros((100, 100), bool)
    mask[:20, :20] = True
    assert bare_squares(fact(mask), "window", 32, seed=0)
    assert bare_squares(fact(mask, complete=False), "window", 32, seed=0) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 + 12 annotated photos of 96 px, none without a defect."""
    root = draw_folder(tmp_path / "photos", side=96)
    shutil.rmtree(root / "images" / "good")
    return root


def made(folder: Path, out: Path, fractions: str = "0.1,1", **fields: object) -> Outcome:
    out.mkdir()
    return version(out, DataSettings(resolution=32, **fields), folder, fractions, 0, "")


def test_frames_beside_defects_stand_in_for_defect_free_photos(
    folder: Path, tmp_path: Path
) -> None:
    assert inspect(folder, DataSettings(resolution=32), (0.1, 1), 0).defect_free == 0
    outcome = made(folder, tmp_path / "out")
    data = Dataset(tmp_path / "out")
    photos = {photo.id: photo for photo in data.photos}
    (warning,) = [one for one in outcome.warnings if "stand in for defect-free" in one]
    for split in ("train", "val", "test"):
        bare = data.frames(split, defect_free=True)
        assert bare and f"{len(bare)} in {split}" in warning
        for frame in bare:
            photo = photos[frame.photo]
            assert (frame.split, frame.group) == (photo.split, photo.group)
            assert photo.classes and not data.instances(frame)
            whole = read_image(data.path / "images" / f"{photo.id}.png")
            assert 0 <= frame.x <= photo.width - frame.side
            assert 0 <= frame.y <= photo.height - frame.side
            seen = cut(whole, (frame.x, frame.y, frame.side), data.resolution)
            np.testing.assert_array_equal(seen, data.image(frame))
    for split in ("val", "test"):
        annotated = data.frames(split)
        assert len(data.frames(split, defect_free=True)) <= len(annotated)


def test_a_fraction_has_only_the_squares_of_its_own_photos(folder: Path, tmp_path: Path) -> None:
    made(folder, tmp_path / "out")
    data = Dataset(tmp_path / "out")
    few = data.frames("train", fraction=0.1, defect_free=True)
    assert 0 < len(few) < len(data.frames("train", defect_free=True))
    own = {frame.photo for frame in data.frames("train", fraction=0.1)}
    assert {frame.photo for frame in few} <= own


def test_defect_free_photos_are_not_divided_and_make_squares_needless(dataset: Path) -> None:
    data = Dataset(dataset)
    every = data.frames("train", defect_free=True)
    assert every and data.frames("train", fraction=0.1, defect_free=True) == every
    photos = {photo.id: photo for photo in data.photos}
    assert all(photos[frame.photo].defect_free for frame in every)


def test_a_part_without_defect_free_photos_gets_squares_alone(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for part, kinds in (("train", ("crack", "good")), ("test", ("crack",))):
        for kind in kinds:
            for number in range(6):
                seed = 100 * len(part) + 10 * len(kind) + number
                piece = draw_piece(seed, kind if kind != "good" else "", 96)
                write(folder / part / "images" / kind / f"{number}.png", expose(piece, 0))
                if kind != "good":
                    mask = piece.mask.astype(np.uint8) * 255
                    write(folder / part / "masks" / kind / f"{number}.png", mask)
    outcome = made(folder, tmp_path / "out")
    data = Dataset(tmp_path / "out")
    photos = {photo.id: photo for photo in data.photos}
    assert all(photos[one.photo].defect_free for one in data.frames("train", defect_free=True))
    assert data.frames("test", defect_free=True)
    (warning,) = [one for one in outcome.warnings if "stand in for defect-free" in one]
    assert "in test" in warning and "in train" not in warning


def test_neither_a_defect_free_photo_nor_room_beside_the_defects(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "photos", pieces=3, exposures=1, side=48)
    shutil.rmtree(folder / "images" / "good")
    for path in (folder / "masks").rglob("*.png"):
        mask = np.zeros((48, 48), np.uint8)
        mask[20:28, 4:44] = 255  # half a frame is 24 pixels here, a pixel more keeps clear
        write(path, mask)
    with pytest.raises(BadData) as caught:
        inspect(folder, DataSettings(), (1.0,), 0)
    (problem,) = caught.value.problems
    assert problem.problem.startswith("no defect-free images")


def test_a_fraction_without_room_beside_its_defects(folder: Path, tmp_path: Path) -> None:
    """All but one photo are full of defect: the small fraction has nothing to put defects on."""
    masks = sorted((folder / "masks").rglob("*.png"))
    for path in masks[1:]:
        write(path, np.full((96, 96), 255, np.uint8))
    refused = 0
    for seed in range(4):
        out = tmp_path / str(seed)
        out.mkdir()
        try:
            version(out, DataSettings(resolution=32), folder, "0.1,1", seed, "")
        except BadData as error:
            assert all("no defect-free place" in one.problem for one in error.problems)
            assert [one.file for one in error.problems] in (["10 %"], ["10 %", "100 %"])
            refused += 1
        else:
            assert Dataset(out).frames("train", fraction=0.1, defect_free=True)
    assert refused
