"""The whole step: what the artifact promises to all that read it."""

import math
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from components.data_versioning.inspect import inspect
from components.data_versioning.settings import DataSettings
from components.data_versioning.version import version
from components.dataset import Dataset, read_image
from components.store import digest_tree


def test_frames_inherit_the_place_of_their_photo_and_show_its_defects(dataset: Path) -> None:
    data = Dataset(dataset)
    photos = {photo.id: photo for photo in data.photos}
    for frame in data.all_frames:
        photo = photos[frame.photo]
        assert (frame.split, frame.group) == (photo.split, photo.group)
        assert frame.defect_free == photo.defect_free
        assert data.image(frame).shape == (32, 32, 3)
        found = {data.classes[one.label] for one in data.instances(frame)}
        assert found <= set(photo.classes) and bool(found) != photo.defect_free


def test_parts_hold_every_class_and_whole_groups(dataset: Path) -> None:
    data = Dataset(dataset)
    parts: dict[str, set[str]] = defaultdict(set)
    classes: dict[str, set[str]] = defaultdict(set)
    for photo in data.photos:
        parts[photo.group].add(photo.split)
        classes[photo.split] |= set(photo.classes)
    assert all(len(found) == 1 for found in parts.values())
    assert classes == {part: {"crack", "pit"} for part in ("train", "val", "test")}


def test_exposures_of_a_piece_are_one_group_and_pieces_are_not_mixed(dataset: Path) -> None:
    pieces: dict[str, set[str]] = defaultdict(set)
    for photo in Dataset(dataset).photos:
        path = Path(photo.file)
        pieces[photo.group].add(f"{path.parent.name} {int(path.stem) % 6}")
    assert len(pieces) == 18
    assert all(len(found) == 1 for found in pieces.values())


def test_a_window_shows_the_photo_where_the_manifest_says(dataset: Path) -> None:
    data = Dataset(dataset)
    for frame in data.frames("train"):
        photo = read_image(dataset / "images" / f"{frame.photo}.png")
        own = photo[frame.y : frame.y + frame.side, frame.x : frame.x + frame.side]
        assert frame.side == 32
        np.testing.assert_array_equal(own, data.image(frame))


def test_subsets_of_the_training_part_are_nested_and_only_there(dataset: Path) -> None:
    data = Dataset(dataset)
    counts = [len({f.photo for f in data.frames("train", fraction=f)}) for f in (0.1, 0.5, 1.0)]
    total = counts[-1]
    assert counts == [2, math.ceil(total / 2), total]
    assert {"crack", "pit"} == {
        name for photo in data.photos if photo.fraction == 0.1 for name in photo.classes
    }
    assert all(
        math.isnan(photo.fraction) for photo in data.photos
        if photo.split != "train" or photo.defect_free
    )  # fmt: skip


def test_the_artifact_is_the_same_to_the_byte_after_an_interruption(
    photo_folder: Path, dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / ".half.png.png").write_bytes(b"left by a kill")
    settings = DataSettings(resolution=32)
    digest = inspect(photo_folder, settings, (0.1, 0.5, 1.0), 0).digest
    outcome = version(tmp_path, settings, photo_folder, "0.1,0.5,1", 0, digest)
    assert digest_tree(tmp_path) == digest_tree(dataset)
    assert outcome.metrics["photos"] == 36 and outcome.metrics["defect_free"] == 12
    assert any("test part has" in one for one in outcome.warnings)


def test_photos_left_out_are_told(photo_folder: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(photo_folder, photos)
    (mask,) = (photos / "masks" / "pit").glob("000.*")
    mask.unlink()
    settings = DataSettings(resolution=32, unmarked="left_out")
    (tmp_path / "out").mkdir()
    outcome = version(tmp_path / "out", settings, photos, "0.1,0.5,1", 0, "")
    assert outcome.metrics["photos"] == 35
    assert any(one.startswith("1 photos are left out: they have no") for one in outcome.warnings)


def test_another_seed_moves_photos(photo_folder: Path, dataset: Path, tmp_path: Path) -> None:
    version(tmp_path, DataSettings(resolution=32), photo_folder, "0.1,0.5,1", 1, "")
    before = {photo.id: photo.split for photo in Dataset(dataset).photos}
    after = {photo.id: photo.split for photo in Dataset(tmp_path).photos}
    assert before.keys() == after.keys() and before != after


def test_other_photos_than_inspected_are_refused(photo_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sha256:[0-9a-f]{64}, not sha256:abc"):
        version(tmp_path, DataSettings(resolution=32), photo_folder, "1", 0, "sha256:abc")


def test_fractions_out_of_range_are_refused(photo_folder: Path, tmp_path: Path) -> None:
    for text in ("10", "0", "", "a", "nan", "0.1,"):
        with pytest.raises(ValueError, match="fraction"):
            version(tmp_path, DataSettings(), photo_folder, text, 0, "")


def test_held_out_parts_have_no_more_defect_free_frames_than_asked_for(
    photo_folder: Path, tmp_path: Path
) -> None:
    settings = DataSettings(resolution=32, clean_windows=4, clean_ratio=0.5)

    version(tmp_path, settings, photo_folder, "1", 0, "")

    data = Dataset(tmp_path)
    for split in ("val", "test"):
        annotated = len(data.frames(split))
        assert 0 < len(data.frames(split, defect_free=True)) == math.ceil(annotated / 2)
    assert len(data.frames("train", defect_free=True)) > len(data.frames("train"))
