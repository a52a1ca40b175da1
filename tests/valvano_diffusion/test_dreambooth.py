import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from components.dataset import read_image, write_image
from components.store import digest_file, digest_tree
from components.valvano.dreambooth.prior import draw_prior
from components.valvano.dreambooth.settings import DreamBoothSettings, PriorSettings
from components.valvano.dreambooth.train import train

VAE = "vae/diffusion_pytorch_model.safetensors"
UNET = "unet/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"


def fine_tune(out: Path, dataset: Path, base: Path, prior: Path, fraction: float = 1.0, **changed):
    settings = DreamBoothSettings(
        **({"steps": 3, "batch": 2, "learning_rate": 1e-3, "checkpoint_every": 2} | changed)
    )
    out.mkdir(exist_ok=True)
    outcome = train(out, settings, dataset, base, prior, fraction, "sks", "surface", 0)
    return out, outcome


def change(out: Path, base: Path, name: str) -> float:
    before, after = load_file(base / name), load_file(out / name)
    assert before.keys() == after.keys()
    return max(float((after[one] - before[one].float()).abs().max()) for one in before)


def test_the_result_is_a_whole_model_and_nothing_else(tmp_path, dataset, base, class_images):
    out, outcome = fine_tune(tmp_path / "out", dataset, base("tiny"), class_images)

    assert sorted(path.name for path in out.iterdir()) == [
        "model_index.json", "preview", "scheduler", "text_encoder", "tokenizer", "unet", "vae",
    ]  # fmt: skip
    assert change(out, base("tiny"), UNET) > 1e-4
    for part in ("vae", "text_encoder", "tokenizer", "scheduler"):
        assert digest_tree(out / part) == digest_tree(base("tiny") / part)
    places = [path for path in out.rglob("*.json") if str(tmp_path.parent) in path.read_text()]
    assert not places
    assert not list(out.rglob("*.part")) and not list(out.rglob("*.bin"))
    assert StableDiffusionPipeline.from_pretrained(out, use_safetensors=True).unet is not None
    assert read_image(out / "preview" / "samples.png").shape[0] > 32
    assert set(outcome.curves) == {"loss", "loss_photos", "loss_prior"}
    assert [step for step, _ in outcome.curves["loss"]] == [1, 2, 3]
    for (_, whole), (_, photos), (_, prior) in zip(*outcome.curves.values(), strict=True):
        assert whole == pytest.approx(photos + prior, rel=1e-5)
    assert outcome.metrics["photos"] == 16
    assert not outcome.warnings


@pytest.mark.parametrize("form", ["tiny", "stable"])
def test_only_the_decoder_learns_the_photos_tints(tmp_path, dataset, base, class_images, form):
    how = {"prior_weight": 0, "decoder_steps": 30, "decoder_rate": 5e-3}
    out, outcome = fine_tune(tmp_path / "out", dataset, base(form), class_images, **how)
    again, _ = fine_tune(tmp_path / "again", dataset, base(form), class_images, **how)

    before = load_file(base(form) / VAE)
    after = load_file(out / VAE)
    changed = {name for name in before if not torch.equal(before[name].float(), after[name])}
    assert changed
    assert all(name.startswith("decoder.") for name in changed)
    curve = [value for _, value in outcome.curves["loss_decoder"]]
    assert len(curve) == 30
    assert np.mean(curve[-5:]) < 0.9 * np.mean(curve[:5])
    assert digest_tree(out) == digest_tree(again)
    assert not list(out.rglob("*decoder*"))


def test_a_model_of_stable_diffusions_form_learns_its_text_encoder_too(tmp_path, dataset, base):
    out, outcome = fine_tune(
        tmp_path / "out",
        dataset,
        base("stable"),
        tmp_path,
        text_encoder=True,
        prior_weight=0,
        min_snr=5,
        flips=True,
        gradient_checkpointing=True,
        schedule="cosine",
        warmup=1,
    )

    assert change(out, base("stable"), UNET) > 1e-4
    assert change(out, base("stable"), TEXT) > 1e-4
    assert set(outcome.curves) == {"loss"}
    StableDiffusionPipeline.from_pretrained(out, use_safetensors=True)


def test_training_lowers_the_loss(tmp_path, dataset, base, class_images):
    _, outcome = fine_tune(
        tmp_path / "out", dataset, base("tiny"), class_images, steps=60, learning_rate=3e-3
    )
    values = [value for _, value in outcome.curves["loss"]]

    assert np.mean(values[-15:]) < 0.9 * np.mean(values[:15])


def test_adapters_alone_give_the_fused_model(tmp_path, dataset, base, class_images):
    out, outcome = fine_tune(
        tmp_path / "out",
        dataset,
        base("tiny"),
        class_images,
        adaptation="lora",
        lora_rank=2,
        text_encoder=True,
        learning_rate=1e-2,
    )
    pipelines = [
        StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
        for folder in (out, base("tiny"), base("tiny"))
    ]
    pipelines[1].load_lora_weights(out / "lora")
    text = torch.randn(1, 5, 16)
    latents = torch.randn(1, 4, 8, 8)
    fused, loaded, untrained = (
        one.unet.float()(latents, 500, text).sample.detach() for one in pipelines
    )
    words = torch.tensor([[1, 2, 3]])
    said = [one.text_encoder.float()(words)[0].detach() for one in pipelines]

    torch.testing.assert_close(loaded, fused, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(said[1], said[0], rtol=1e-3, atol=1e-4)
    assert (fused - untrained).abs().max() > 1e-3
    assert (said[0] - said[2]).abs().max() > 1e-4
    assert outcome.metrics["trained_parameters"] < 20_000


def test_the_average_moves_less_than_the_weights(tmp_path, dataset, base, class_images):
    plain, _ = fine_tune(tmp_path / "a", dataset, base("tiny"), class_images)
    average, _ = fine_tune(tmp_path / "b", dataset, base("tiny"), class_images, ema=0.9)

    assert 0 < change(average, base("tiny"), UNET) < change(plain, base("tiny"), UNET)


def test_what_cannot_be_trained_is_told(tmp_path, dataset, base, class_images):
    model = base("tiny")
    small = tmp_path / "small" / "images"
    small.mkdir(parents=True)
    write_image(small / "00000.png", np.zeros((16, 16, 3), np.uint8))

    with pytest.raises(ValueError, match="use a larger fraction"):
        fine_tune(tmp_path / "a", dataset, model, class_images, fraction=0.01)
    with pytest.raises(ValueError, match="resolution"):
        fine_tune(tmp_path / "b", dataset, model, small.parent)
    with pytest.raises(ValueError, match="prior_weight=0"):
        fine_tune(tmp_path / "c", dataset, model, tmp_path)


def test_a_loss_that_is_not_finite_stops_with_a_way_out(tmp_path, dataset, base, class_images):
    model = tmp_path / "model"
    shutil.copytree(base("tiny"), model)
    weights = load_file(model / UNET)
    weights["conv_out.bias"][:] = torch.nan
    save_file(weights, model / UNET, {"format": "pt"})

    with pytest.raises(FloatingPointError, match="loss is nan at step 1 .*learning_rate"):
        fine_tune(tmp_path / "out", dataset, model, class_images)
    assert not list((tmp_path / "out").iterdir())


def test_few_frames_and_unknown_words_are_warned_of(tmp_path, dataset, base, class_images):
    out = tmp_path / "out"
    out.mkdir()
    settings = DreamBoothSettings(steps=1)
    outcome = train(out, settings, dataset, base("tiny"), class_images, 0.1, "日本", "surface", 0)

    assert "2 frames only" in outcome.warnings[0]
    assert "日本" in outcome.warnings[1]


def test_a_model_that_is_not_stable_diffusion_is_refused(tmp_path, dataset, base, class_images):
    model = tmp_path / "model"
    model.mkdir()
    with pytest.raises(ValueError, match="model_index"):
        fine_tune(tmp_path / "a", dataset, model, class_images)
    index = {"vae": ["diffusers", "VQModel"], "text_encoder": ["transformers", "CLIPTextModel"]}
    (model / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="VQModel"):
        fine_tune(tmp_path / "b", dataset, model, class_images)


@pytest.mark.parametrize("form", ["tiny", "stable"])
def test_class_images_are_continued_and_do_not_depend_on_their_number(tmp_path, base, form):
    settings = PriorSettings(images=5, steps=3, guidance=2, batch=2)
    whole, part = tmp_path / "whole", tmp_path / "part"
    for out, changed in ((whole, settings), (part, settings.model_copy(update={"images": 3}))):
        out.mkdir()
        draw_prior(out, changed, base(form), "surface", 32, 7)
    assert len(list((part / "images").iterdir())) == 3
    (part / "images" / "00001.png").unlink()

    draw_prior(part, settings, base(form), "surface", 32, 7)

    assert digest_tree(part) == digest_tree(whole)
    digests = {digest_file(path) for path in (whole / "images").iterdir()}
    assert len(digests) == 5
