from pathlib import Path

import numpy as np
import pytest

from components.dataset import write_image
from components.report import gallery
from components.report.gallery import (
    Sheet,
    Shot,
    Strip,
    evenly,
    outlined,
    pick_drivers,
    previews,
)
from components.report.overview import overview
from components.synthetic import Provenance, varied


def noise(side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def test_a_hairline_keeps_its_outline_when_it_shrinks() -> None:
    masks = np.zeros((512, 512), np.uint8)
    masks[:, 255] = 1
    shot = Shot(np.full((512, 512, 3), 90, np.uint8), masks, 1, "")
    drawn = outlined(shot, 64)
    red = (drawn[:, :, 0] == 255) & (drawn[:, :, 1] == 0)
    assert red.any(1).all()


def test_a_shot_without_masks_is_left_as_it_is() -> None:
    picture = noise(64)
    assert (outlined(Shot(picture, None, 1, ""), 64) == picture).all()


@pytest.mark.parametrize("count", [3, 150])
def test_pictures_fit_the_budget(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "SHOTS_BUDGET", 400_000)
    shots = [Shot(noise(96, seed), None, 1, "") for seed in range(count)]
    sources = gallery.shot_sources(shots)
    assert len(sources) == count
    assert sum(map(len, sources)) < 400_000 * 4 / 3 + 40 * count
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)


def test_sheets_of_any_shape_are_taken() -> None:
    wide = np.zeros((10, 3000, 3), np.uint8)
    assert len(gallery.sheet_sources([Sheet(wide, ""), Sheet(noise(20), "")])) == 2
    assert gallery.sheet_sources([]) == []


def test_drivers_are_taken_from_all_classes_in_turn() -> None:
    def one(driver: str, defect: str) -> Provenance:
        return Provenance(driver, "s", "s.0", "m", driver, defect, "p", 0)

    images = [one("1", "pit"), one("2", "pit"), one("3", "pit"), one("4", "crack")]
    assert pick_drivers(images, ("crack", "pit", "burn")) == ["4", "1", "2", "3"]
    assert pick_drivers(images, ("crack", "pit")) == ["4", "1", "2", "3"]
    assert pick_drivers([], ("crack",)) == []


def test_drivers_are_taken_from_other_photos_where_there_are_any() -> None:
    def one(driver: str, ground: str) -> Provenance:
        return Provenance(driver, "s", ground, "m", driver, "pit", "p", 0)

    images = [one("1", "a"), one("2", "a"), one("3", "a"), one("4", "b"), one("5", "c")]
    assert [each.driver for each in varied(images, ("pit",), 4)] == ["1", "4", "5", "2"]


def test_evenly_spaced_items() -> None:
    assert evenly(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert evenly([1, 2], 5) == [1, 2]


def test_previews_are_optional(tmp_path: Path) -> None:
    assert previews(tmp_path, "x") == []
    (tmp_path / "preview").mkdir()
    write_image(tmp_path / "preview" / "some_groups.png", noise(8))
    (found,) = previews(tmp_path, "data")
    assert found.caption == "data: some groups"


def test_the_overview_has_a_row_for_every_full_strip() -> None:
    shots = [Shot(noise(20), None, 1, name) for name in ("photo", "driver", "sample")]
    short = Strip("pit", shots[:1])
    picture = overview([Strip("crack", shots), short, Strip("burn", shots)])
    assert picture is not None
    alone = overview([Strip("crack", shots)])
    assert alone is not None
    assert picture.shape[1] == alone.shape[1]
    assert picture.shape[0] > alone.shape[0]
    assert overview([]) is None
