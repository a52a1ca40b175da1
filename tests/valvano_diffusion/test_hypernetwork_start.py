import json
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from components.base_model.resolve import embedded
from components.device import choose
from components.textures.draw import Mark
from components.textures.pool import Pool
from components.valvano.driver_extraction.driver import read_mask
from components.valvano.driver_extraction.recipe import make_recipe
from components.valvano.driver_extraction.settings import DriverSettings
from components.valvano.hypernetwork.objective import Objective
from components.valvano.hypernetwork.pretrain import SIDE, Lessons, pretrain
from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.hypernetwork.start import FILE, load_start, new_control
from components.valvano.hypernetwork.train import train
from components.valvano.parts import load


def test_the_embedded_start_fits_the_embedded_model_and_steers_it():
    with embedded() as folder:
        parts = load(folder, choose(False))
    control = new_control(parts, 0)
    load_start(control)
    control.eval().requires_grad_(False)
    latents, text = torch.randn(2, *parts.latent_shape(SIDE)), parts.embed(["a tile with a crack"])
    painted = torch.zeros(2, 3, SIDE, SIDE)
    painted[1, 0, 40:44, 20:70] = 1

    down, middle = control(latents[[0, 0]], 500, text[[0, 0]], painted, return_dict=False)

    # The paint reaches every connection.
    assert all(not torch.equal(one[0], one[1]) for one in (*down, middle))


def test_the_embedded_start_is_refused_on_another_model(base, tmp_path, dataset, drivers):
    settings = HyperNetworkSettings(steps=1, start="embedded")

    with pytest.raises(ValueError, match=r"embedded start .* set hypernetwork.start=copy"):
        train(tmp_path, settings, dataset, drivers, base("tiny"), 1.0, "sks", 0)


def test_lessons_paint_every_mark_but_uneven_light_in_a_hue_of_its_own():
    crack, pit = np.zeros((SIDE, SIDE), bool), np.zeros((SIDE, SIDE), bool)
    crack[10, 5:60] = True
    pit[40:46, 40:46] = True
    everywhere = np.ones((SIDE, SIDE), bool)
    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    marks = [
        (Mark("crack", crack), Mark("pit", pit), Mark("uneven", everywhere)),
        (),
        (Mark("uneven", everywhere),),
    ]
    lessons = Lessons.of(Pool(images, ["a", "b", "c"], marks), 0)

    assert lessons.marked == [0]
    assert np.array_equal(lessons.masks[0], crack | pit)
    one, other = lessons.drivers[0][10, 30], lessons.drivers[0][42, 42]
    assert one.max() == other.max() == 255
    assert tuple(one) != tuple(other)
    grey = lessons.drivers.max(3) == lessons.drivers.min(3)
    assert np.array_equal(~grey, lessons.masks)
    recipe = make_recipe(DriverSettings(), ("crack",), SIDE)
    assert not read_mask(lessons.drivers[1], recipe).any()


def test_pretraining_continues_and_says_what_it_did(base, tmp_path, monkeypatch):
    settings = HyperNetworkSettings(
        steps=3, batch=2, learning_rate=1e-3, mask_weight=5, ema=0.5, checkpoint_every=1
    )
    whole = Objective.losses

    def interrupted(self: Objective, step: int) -> Mapping[str, torch.Tensor]:
        if step == 2:
            raise KeyboardInterrupt
        return whole(self, step)

    monkeypatch.setattr(Objective, "losses", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tmp_path / "one", base("tiny"), settings, 12, 0, 1, held_out=12)
    assert not (tmp_path / "one").exists()
    monkeypatch.undo()
    for name in ("one", "other"):
        pretrain(tmp_path / name, base("tiny"), settings, 12, 0, 1, held_out=12)

    about = json.loads((tmp_path / "one" / "training.json").read_text())
    assert about["quality"]["held-out textures with a painted mark"] > 0
    assert about["procedure"]["steps"] == 3
    one, other = load_file(tmp_path / "one" / FILE), load_file(tmp_path / "other" / FILE)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert {value.dtype for value in one.values()} == {torch.float16}
    assert (tmp_path / "one" / "samples.png").is_file()
    with pytest.raises(ValueError, match="is there already"):
        pretrain(tmp_path / "one", base("tiny"), settings, 12, 0, 1, held_out=12)


def test_pretraining_may_go_on_from_the_embedded_start(tmp_path):
    settings = HyperNetworkSettings(steps=1, batch=2, learning_rate=1e-9, checkpoint_every=1)
    with embedded() as folder:
        pretrain(tmp_path / "next", folder, settings, 12, 0, 1, held_out=12, further=True)
        control = new_control(load(folder, choose(False)), 0)
    before = load_start(control)

    about = json.loads((tmp_path / "next" / "training.json").read_text())
    assert about["before"]["procedure"] == before["procedure"]
    found = load_file(tmp_path / "next" / FILE)
    for name, value in control.state_dict().items():
        assert torch.allclose(found[name].float(), value, atol=1e-3), name
