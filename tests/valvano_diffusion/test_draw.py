from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from components.dataset import Dataset, read_image
from components.instances import class_map
from components.outcome import Outcome
from components.store import digest_file, digest_tree
from components.valvano.driver_extraction.driver import hidden
from components.valvano.driver_extraction.recipe import read_recipe
from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.hypernetwork.train import train
from components.valvano.synthesis.draw import draw
from components.valvano.synthesis.plan import make_plan
from components.valvano.synthesis.realise import realise
from components.valvano.synthesis.row import read_plan
from components.valvano.synthesis.settings import PlanSettings, SynthesisSettings
from components.valvano.synthesis.transplant import transplant

ROWS = 11


@dataclass
class Planned:
    """A plan and all that drawing it needs."""

    dataset: Path
    drivers: Path
    plan: Path
    concept: Path
    control: Path

    def draw(self, out: Path, shard: int = 0, shards: int = 1, **changed) -> Outcome:
        out.mkdir(exist_ok=True)
        settings = SynthesisSettings(**({"steps": 3, "guidance": 1.5, "batch": 4} | changed))
        return draw(out, settings, shard=shard, shards=shards, **self.__dict__)


@pytest.fixture(scope="module")
def planned(tmp_path_factory, dataset, drivers, base) -> Planned:
    plan, control = tmp_path_factory.mktemp("plan"), tmp_path_factory.mktemp("control")
    make_plan(plan, PlanSettings(images=ROWS, samples=2), dataset, drivers, 1.0, "sks", 0)
    settings = HyperNetworkSettings(steps=1, batch=1)
    train(control, settings, dataset, drivers, base("tiny"), 1.0, "sks", 0)
    # Stronger than one step of training could make it, so that a driver can be seen in the image.
    path = control / "controlnet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    torch.manual_seed(0)
    for name in weights:
        if "controlnet_" in name and name.endswith("weight"):
            weights[name] = 0.2 * torch.randn(weights[name].shape)
    path.unlink()
    save_file(weights, path, {"format": "pt"})
    return Planned(dataset, drivers, plan, base("tiny"), control)


def images(*folders: Path) -> dict[str, str]:
    found = {}
    for folder in folders:
        for path in (folder / "images").iterdir():
            assert path.name not in found
            found[path.name] = digest_file(path)
    return found


def test_shards_batches_and_interruptions_leave_no_trace(planned, tmp_path):
    outcome = planned.draw(tmp_path / "whole")
    whole = images(tmp_path / "whole")
    assert len(whole) == ROWS == outcome.metrics["images"]
    assert len(set(whole.values())) == ROWS
    assert sorted(path.name for path in (tmp_path / "whole").iterdir()) == ["images", "preview"]

    for shards in (2, 3):
        folders = [tmp_path / f"{shards}-{shard}" for shard in range(shards)]
        for shard, folder in enumerate(folders):
            planned.draw(folder, shard, shards, batch=1 + shards)
        assert images(*folders) == whole

    expected = digest_tree(tmp_path / "whole")
    for name in list(whole)[::2]:
        (tmp_path / "whole" / "images" / name).unlink()
    planned.draw(tmp_path / "whole")
    assert digest_tree(tmp_path / "whole") == expected


def test_the_conditioning_reaches_the_images(planned, tmp_path):
    planned.draw(tmp_path / "with", 0, 4)
    planned.draw(tmp_path / "without", 0, 4, conditioning=0)

    assert not set(images(tmp_path / "with").values()) & set(images(tmp_path / "without").values())


def test_a_kept_background_is_the_rows_own_photo(planned, tmp_path):
    planned.draw(tmp_path / "whole", background="photo")
    for shard in range(2):
        planned.draw(tmp_path / str(shard), shard, 2, background="photo")
    assert images(tmp_path / "0", tmp_path / "1") == images(tmp_path / "whole")

    data, recipe = Dataset(planned.dataset), read_recipe(planned.drivers)
    side, seen = data.resolution, 0
    for row in read_plan(planned.plan):
        made = realise(row, data, recipe)
        image = read_image(tmp_path / "whole" / "images" / f"{row.id}.png").astype(int)
        area = hidden(class_map(made.instances, side, side), recipe)
        assert not np.array_equal(image[area > 0], made.picture[area > 0])
        # Latents have cells of 4 pixels; two of them lie between the drawing and the photo.
        far = cv2.dilate(area, np.ones((25, 25), np.uint8)) == 0
        assert np.array_equal(image[far], made.picture[far])
        seen += int(far.sum())
    assert seen > 0


def test_strength_leads_from_the_transplanted_defect_to_a_drawn_one(planned, tmp_path):
    strengths = (0.0, 0.4, 0.7, 1.0)
    for strength in strengths:
        planned.draw(tmp_path / str(strength), background="photo", strength=strength, steps=10)
    planned.draw(tmp_path / "drawn", background="photo", steps=10)
    assert images(tmp_path / "1.0") == images(tmp_path / "drawn")

    data, recipe = Dataset(planned.dataset), read_recipe(planned.drivers)
    away = dict.fromkeys(strengths, 0.0)
    for row in read_plan(planned.plan):
        made = realise(row, data, recipe)
        laid = transplant(row, made, data, recipe).astype(int)
        for strength in strengths:
            path = tmp_path / str(strength) / "images" / f"{row.id}.png"
            away[strength] += float(np.abs(read_image(path).astype(int) - laid).mean())
    assert away[0.0] < 0.01 * ROWS
    assert away[0.0] < away[0.4] < away[0.7] < away[1.0]


def test_a_strength_below_one_needs_the_photo_around_it():
    with pytest.raises(ValueError, match=r"strength=0.5 .* set background=photo, or strength=1"):
        SynthesisSettings(strength=0.5)


def test_more_shards_than_images_leave_some_empty(planned, tmp_path):
    outcomes = [planned.draw(tmp_path / str(shard), shard, ROWS + 1) for shard in (0, 1)]

    assert sorted(one.metrics["images"] for one in outcomes) == [0, 1]


def test_a_strength_that_is_no_step_is_told():
    with pytest.raises(ValueError, match=r"strength=0.01 of 20 steps is none; .* 0.05 or more"):
        SynthesisSettings(background="photo", strength=0.01, steps=20)
    assert SynthesisSettings(background="photo", strength=0, steps=20).done == 0
