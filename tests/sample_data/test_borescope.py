"""The sample data: the same everywhere, masks where the defects are, pieces kept together."""

import csv
import json
import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from components.data_versioning.borescope import camera, scene
from components.data_versioning.borescope.camera import PIXELS, photograph
from components.data_versioning.borescope.defects import CLASSES, draw
from components.data_versioning.borescope.wall import SIDE, Wall, build
from components.data_versioning.borescope.write import ANNOTATED, CLEAN, SEED, encode, write
from components.data_versioning.source import fetched, locate_default
from components.instances import from_coco
from components.store import digest_tree

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos with defects and two without, of two pieces."""
    out = tmp_path_factory.mktemp("sample") / "data"
    write(out, seed=5, annotated=2, clean=2, processes=1)
    return out


def groups(folder: Path) -> dict[str, str]:
    with (folder / "groups.csv").open(newline="") as stream:
        return {row["file"]: row["piece"] for row in csv.DictReader(stream)}


def test_photos_annotations_and_groups_agree(sample: Path) -> None:
    document = json.loads((sample / "annotations.json").read_text())
    found = from_coco(document)
    assert set(found) == {f"images/{number:04d}.jpg" for number in (1, 2, 3, 4)}
    assert set(found) == set(groups(sample))
    assert [one["name"] for one in document["categories"]] == list(CLASSES)
    by_piece = {piece: set() for piece in groups(sample).values()}
    for name, piece in groups(sample).items():
        picture = cv2.imread(str(sample / name))
        assert picture.shape == (PIXELS, PIXELS, 3)
        by_piece[piece].add(bool(found[name]))
        for one in found[name]:
            assert one.mask.sum() >= scene.SMALLEST
    assert sorted(map(tuple, by_piece.values())) == [(False,), (True,)]


def test_another_processor_renders_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    # Without the vector instructions of this processor, and with two processes.
    import numpy.lib.introspect

    dispatched = numpy.lib.introspect.opt_func_info(func_name="add|sqrt|floor")
    wanted = {
        feature
        for function in dispatched.values()
        for signature in function.values()
        for feature in signature["available"].split()
        if not feature.startswith("baseline")
    }
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NPY_DISABLE_CPU_FEATURES": " ".join(sorted(wanted)),
        "JSIMD_FORCENONE": "1",
    }
    command = "--seed 5 --annotated 2 --clean 2 --processes 2".split()
    module = "components.data_versioning.borescope"
    subprocess.run(
        [sys.executable, "-m", module, "--out", str(tmp_path / "again"), *command],
        check=True, env=environment, capture_output=True,
    )  # fmt: skip
    assert digest_tree(tmp_path / "again") == digest_tree(sample)


def test_versioned_sample_is_what_the_generator_makes(tmp_path: Path) -> None:
    with fetched(str(locate_default()), "") as folder:
        pieces = groups(folder)
        found = from_coco(json.loads((folder / "annotations.json").read_text()))
        assert len(pieces) == len(found) == ANNOTATED + CLEAN
        assert sum(bool(defects) for defects in found.values()) == ANNOTATED
        piece = scene.pieces(ANNOTATED, CLEAN)[7]
        published = [name for name, one in pieces.items() if one == piece.name]
        expected = {(folder / name).read_bytes() for name in published}
    assert {encode(shot.pixels) for shot in scene.shoot(SEED, piece)} == expected


def test_seed_and_piece_matter() -> None:
    piece = scene.Piece(0, 1, defective=False)
    first = scene.shoot(1, piece)[0].pixels
    assert not np.array_equal(first, scene.shoot(2, piece)[0].pixels)
    assert not np.array_equal(first, scene.shoot(1, replace(piece, number=1))[0].pixels)


def still() -> tuple[camera.Pose, camera.Exposure]:
    """A pose and a light without noise and blur, so that two photos can be subtracted."""
    pose = camera.Pose(SIDE / 2, SIDE / 2, 480.0, 0.35, 0.1, 0.1)
    return pose, camera.Exposure(
        gain=1.0, lamp=(60.0, -40.0), warmth=0.0, glare=0.2, veil=0.0, fall=0.4, noise=0.0,
        focus=1.0, defocus=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def walls() -> list[Wall]:
    return [build(np.random.default_rng(seed)) for seed in range(3)]


@pytest.mark.parametrize("label", range(len(CLASSES)), ids=CLASSES)
def test_mask_covers_what_was_drawn(label: int, walls: list[Wall]) -> None:
    contrasts = []
    pose, light = still()
    for seed, wall in enumerate(walls):
        bare = photograph(wall, 0.0008, [], pose, light, np.random.default_rng(0))
        damaged_wall = deepcopy(wall)
        rng = np.random.default_rng([seed, label])
        drawn = [draw(damaged_wall, rng, label, SIDE / 2 + 13.0, SIDE / 2 - 9.0)]
        damaged = photograph(damaged_wall, 0.0008, drawn, pose, light, np.random.default_rng(0))
        (instance,) = damaged[1]
        assert instance.label == label
        changed = np.abs(bare[0].astype(int) - damaged[0].astype(int)).max(2)
        near = cv2.dilate(instance.mask.astype(np.uint8), np.ones((15, 15))) > 0
        # Only a faint tint or a lit rim lies outside.
        assert changed[instance.mask].mean() > 3 * changed[near & ~instance.mask].mean()
        strong = changed > 60
        assert (strong & instance.mask).sum() >= 0.85 * strong.sum()
        contrasts.append(changed[instance.mask].mean())
    assert max(contrasts) > 25


def test_cracks_are_thin(walls: list[Wall]) -> None:
    pose, light = still()
    for seed, wall in enumerate(walls):
        drawn = draw(deepcopy(wall), np.random.default_rng(seed), 0, SIDE / 2, SIDE / 2)
        _, (crack,) = photograph(wall, 0.0008, [drawn], pose, light, np.random.default_rng(0))
        depth = cv2.distanceTransform(crack.mask.astype(np.uint8), cv2.DIST_L2, 5)
        ridge = depth[(depth == cv2.dilate(depth, np.ones((3, 3)))) & crack.mask]
        assert 1.0 <= 2 * np.median(ridge) - 1 <= 3.5


def test_photos_of_a_piece_share_it_under_other_light() -> None:
    first, second = (shot for shot in scene.shoot(3, scene.Piece(0, 2, defective=True)))
    assert [one.label for one in first.defects] == [one.label for one in second.defects]
    for one, other in zip(first.defects, second.defects, strict=True):
        assert np.array_equal(one.mask, other.mask)
    assert np.abs(first.pixels.astype(int) - second.pixels.astype(int)).mean() > 2


def test_pieces_add_up() -> None:
    for annotated, clean in ((300, 200), (1, 0), (7, 3)):
        pieces = scene.pieces(annotated, clean)
        assert sum(piece.photos for piece in pieces if piece.defective) == annotated
        assert sum(piece.photos for piece in pieces if not piece.defective) == clean
        assert len({piece.name for piece in pieces}) == len(pieces)


def test_nothing_is_overwritten(sample: Path) -> None:
    before = digest_tree(sample)
    with pytest.raises(ValueError, match="not empty"):
        write(sample, seed=1, annotated=1, clean=0, processes=1)
    assert digest_tree(sample) == before
