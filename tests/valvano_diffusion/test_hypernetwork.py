from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel
from safetensors.torch import load_file
from tiny import write_base

from components.dataset import Dataset, read_image, write_image
from components.device import choose
from components.store import digest_tree
from components.valvano.hypernetwork.objective import loss_weights
from components.valvano.hypernetwork.settings import HyperNetworkSettings
from components.valvano.hypernetwork.start import new_control
from components.valvano.hypernetwork.train import train
from components.valvano.parts import load
from components.valvano.synthesis.draw import draw
from components.valvano.synthesis.plan import make_plan
from components.valvano.synthesis.settings import PlanSettings, SynthesisSettings


def steer(out: Path, dataset: Path, drivers: Path, concept: Path, fraction=1.0, **changed):
    settings = HyperNetworkSettings(
        **({"steps": 3, "batch": 2, "learning_rate": 1e-3, "checkpoint_every": 2} | changed)
    )
    out.mkdir(exist_ok=True)
    return train(out, settings, dataset, drivers, concept, fraction, "sks", 0)


@pytest.mark.parametrize(("form", "factor"), [("tiny", 4), ("stable", 8)])
def test_an_untrained_hypernetwork_fits_the_model_and_changes_nothing(base, form, factor):
    parts = load(base(form), choose(False))
    control = new_control(parts, 0)
    side = 64
    latents = torch.randn(2, *parts.latent_shape(side))
    text = parts.embed(["a", "b"])
    assert parts.factor == factor
    assert latents.shape[-1] == side // factor

    down, middle = control(latents, 5, text, torch.rand(2, 3, side, side), return_dict=False)
    steered = parts.unet(
        latents,
        5,
        text,
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
    ).sample

    assert all(not one.any() for one in (*down, middle))
    assert torch.equal(steered, parts.unet(latents, 5, text).sample)
    assert {*control.state_dict()} == {*new_control(parts, 0).state_dict()}
    for one, other in zip(control.parameters(), new_control(parts, 0).parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_unlocked_decoder_is_trained_along_and_drawn_with(tmp_path, dataset, drivers, base):
    before = digest_tree(base("tiny"))
    outcome = steer(tmp_path / "open", dataset, drivers, base("tiny"), unlock=True)
    closed = steer(tmp_path / "closed", dataset, drivers, base("tiny"))

    assert digest_tree(base("tiny")) == before
    assert outcome.metrics["trained_parameters"] > closed.metrics["trained_parameters"]
    name = "diffusion_pytorch_model.safetensors"
    old, new = load_file(base("tiny") / "unet" / name), load_file(tmp_path / "open" / "unet" / name)
    changed = {one for one in old if not torch.equal(old[one].float(), new[one])}
    assert {one.split(".")[0] for one in changed} == {"up_blocks", "conv_norm_out", "conv_out"}

    plan = tmp_path / "plan"
    plan.mkdir()
    make_plan(plan, PlanSettings(images=2, samples=1), dataset, drivers, 1.0, "sks", 0)
    settings, drawn = SynthesisSettings(steps=3, guidance=1.0), []
    for control in ("open", "closed"):
        out = tmp_path / f"images-{control}"
        out.mkdir()
        concept = base("tiny")
        draw(out, settings, dataset, drivers, plan, concept, tmp_path / control, 0, 1)
        drawn.append(digest_tree(out / "images"))
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("form", ["tiny", "stable"])
def test_training_leaves_a_controlnet_and_the_concept_alone(tmp_path, dataset, drivers, base, form):
    before = digest_tree(base(form))
    outcome = steer(
        tmp_path, dataset, drivers, base(form), mask_weight=5, ema=0.5, gradient_checkpointing=True
    )

    assert sorted(path.name for path in tmp_path.iterdir()) == ["controlnet", "preview"]
    assert digest_tree(base(form)) == before
    trained = ControlNetModel.from_pretrained(tmp_path / "controlnet", use_safetensors=True)
    assert trained.controlnet_mid_block.weight.abs().max() > 0
    assert str(tmp_path.parent) not in (tmp_path / "controlnet" / "config.json").read_text()
    assert read_image(tmp_path / "preview" / "samples.png").shape[1] == 6 * 34 - 2
    assert set(outcome.curves) == {"loss", "loss_defect"}
    assert "16 frames only" in outcome.warnings[0]


def test_the_condition_is_learnt(tmp_path, dataset, monkeypatch):
    """Where only the driver tells white photos from black ones, the driver comes to decide."""
    concept = write_base(tmp_path / "concept", scale=10.0)
    data = Dataset(dataset)
    frames = data.frames("train")
    white = {one.id: number % 2 == 1 for number, one in enumerate(frames)}
    (tmp_path / "drivers").mkdir()
    for one in frames:
        colour = np.array([250, 0, 0] if white[one.id] else [0, 250, 0], np.uint8)
        write_image(tmp_path / "drivers" / one.file, np.tile(colour, (32, 32, 1)))
    monkeypatch.setattr(
        Dataset, "image", lambda self, one: np.full((32, 32, 3), 255 * white[one.id], np.uint8)
    )
    out = tmp_path / "out"
    steer(out, dataset, tmp_path, concept, steps=100, batch=8, learning_rate=3e-3, flips=False)

    parts = load(concept, choose(False))
    control = ControlNetModel.from_pretrained(out / "controlnet").eval()
    text = parts.embed(["an image of a sks with a crack crack"])
    clean = parts.encode([data.image(one) for one in frames[:2]]).mean
    noise = torch.randn(clean[:1].shape, generator=torch.Generator().manual_seed(0))
    time = torch.tensor([999])
    found = []
    for one in frames[:2]:
        hint = torch.from_numpy(read_image(tmp_path / "drivers" / one.file))
        hint = hint.permute(2, 0, 1)[None] / 255
        with torch.no_grad():
            down, middle = control(noise, time, text, hint, return_dict=False)
            said = parts.unet(
                noise, time, text,
                down_block_additional_residuals=down, mid_block_additional_residual=middle,
            ).sample  # fmt: skip
        # At the last level a velocity model says minus the clean latents.
        found.append(-said[0])
    errors = [[float((one - other).square().mean()) for other in clean] for one in found]

    # The frozen model is random, so little can be steered; blind training would give a ratio of 1.
    assert errors[0][0] + errors[1][1] < 0.985 * (errors[0][1] + errors[1][0])


def test_photo_driver_and_weights_are_turned_together(tmp_path, dataset, base, monkeypatch):
    """What the network is shown is one scene, however it lies."""
    from components.valvano.hypernetwork import train as module
    from components.valvano.orientation import lay

    data = Dataset(dataset)
    shown = []
    build = module.Objective

    def watched(**fields):
        objective = build(**fields)
        control = objective.control.forward

        def forward(noised, times, texts, hint, **options):
            shown.append((hint * 255).round().byte().permute(0, 2, 3, 1).numpy())
            return control(noised, times, texts, hint, **options)

        objective.control.forward = forward
        return objective

    monkeypatch.setattr(module, "Objective", watched)
    monkeypatch.setattr(module, "draw_preview", lambda _, requests, *__: [blank] * len(requests))
    blank = np.zeros((32, 32, 3), np.uint8)
    (tmp_path / "drivers").mkdir()
    for one in data.frames("train"):
        write_image(tmp_path / "drivers" / one.file, data.image(one))
    steer(tmp_path / "out", dataset, tmp_path, base("tiny"), steps=12, turns=True)

    drivers = [data.image(one) for one in data.frames("train")]
    found = [
        way
        for picture in np.concatenate(shown)
        for driver in drivers
        for way in range(8)
        if np.array_equal(picture, lay(driver, way))
    ]
    assert len(found) == 24
    assert len(set(found)) == 8


def test_weights_reach_one_cell_beyond_the_defect():
    mask = np.zeros((32, 32), bool)
    mask[9, 9] = True
    settings = HyperNetworkSettings(mask_weight=4)
    expected = np.ones((8, 8), np.float32)
    expected[1:4, 1:4] = 4

    assert np.array_equal(loss_weights([mask], 8, settings)[0], expected)


def test_what_a_subset_cannot_teach_is_warned_of(tmp_path, dataset, drivers, base, monkeypatch):
    data = Dataset(dataset)
    cracked = [one for one in data.frames("train") if data.class_map(one).max() == 1]
    monkeypatch.setattr(Dataset, "frames", lambda self, split, **_: cracked[:2])
    outcome = steer(tmp_path, dataset, drivers, base("tiny"), steps=1)

    assert "2 frames only" in outcome.warnings[0]
    assert "pit" in outcome.warnings[1]


def test_classes_that_read_alike_are_warned_of(tmp_path, dataset, drivers, base, monkeypatch):
    from components.valvano import prompts

    monkeypatch.setattr(prompts, "condition", lambda token, defect: f"{'x ' * 60}{defect}")
    outcome = steer(tmp_path, dataset, drivers, base("tiny"), steps=1)

    assert any("same tokens" in one for one in outcome.warnings)


def test_a_subset_without_frames_is_refused(tmp_path, dataset, drivers, base):
    with pytest.raises(ValueError, match="use a larger fraction"):
        steer(tmp_path, dataset, drivers, base("tiny"), fraction=0.01)
