import json

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from components.base_model.plan import Plan, Stage
from components.base_model.resolve import resolve
from components.base_model.settings import BaseModelSettings
from components.base_model.train import train


def plan(**changes):
    stage = {"batch": 4, "learning_rate": 1e-3, "report": 1, "warmup": 0}
    return Plan(
        side=32,
        pool=16,
        autoencoder=Stage(**stage, steps=2),
        text=Stage(**stage, steps=2),
        denoiser=Stage(**stage, steps=2),
    ).model_copy(update=changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "weights"
    train(out, plan(), torch.device("cpu"), workers=1)
    return out


def test_the_folder_loads_and_draws(trained):
    pipeline = StableDiffusionPipeline.from_pretrained(trained)
    assert pipeline.vae_scale_factor == 4
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline(
        "a metal surface", num_inference_steps=2, output_type="np", guidance_scale=2.0,
        generator=torch.Generator().manual_seed(0),
    ).images  # fmt: skip
    assert image.shape == (1, 32, 32, 3)
    assert np.isfinite(image).all()


def test_the_folder_is_small_half_precision_and_without_pickles(trained):
    files = [path for path in trained.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 25e6
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".ckpt", ".pkl")]
    for path in trained.rglob("*.safetensors"):
        kinds = {tensor.dtype for tensor in load_file(path).values() if tensor.is_floating_point()}
        assert kinds == {torch.float16}, path.name


def test_latents_have_unit_deviation_after_scaling(trained):
    about = json.loads((trained / "training.json").read_text())
    config = json.loads((trained / "vae" / "config.json").read_text())
    assert config["scaling_factor"] == pytest.approx(about["latent scale"])
    latents = np.load(trained.with_name("weights.work") / "latents.npy").astype(np.float32)
    assert (latents * config["scaling_factor"]).std() == pytest.approx(1, abs=0.01)


def test_the_record_has_curves_quality_time_and_machine(trained):
    about = json.loads((trained / "training.json").read_text())
    assert [step for step, _ in about["curves"]["denoiser loss"]] == [1, 2]
    assert [step for step, _ in about["curves"]["autoencoder loss"]] == [1, 2]
    assert [step for step, _ in about["curves"]["text loss"]] == [1, 2]
    assert set(about["seconds"]) == {"autoencoder", "text", "denoiser"}
    marked = [value for name, value in about["quality"].items() if "in their marks" in name]
    assert len(marked) == 2
    assert np.isfinite(marked).all()
    assert about["quality"]["held-out textures"] == 16
    assert "cores" in about["machine"]


def test_what_is_not_trained_on_tells_whether_more_steps_help(tmp_path):
    out = tmp_path / "weights"
    stage = {"batch": 4, "learning_rate": 1e-3, "report": 1, "warmup": 0}
    train(out, plan(denoiser=Stage(**stage, steps=20)), torch.device("cpu"), workers=1)
    about = json.loads((out / "training.json").read_text())
    (first, before), (last, after) = about["curves"][
        "denoiser loss on held-out textures, own captions"
    ]
    assert (first, last) == (10, 20)
    assert after < before
    assert after == about["quality"]["denoiser loss on held-out textures, own captions"]


def test_an_interrupted_training_ends_in_the_same_weights(trained, tmp_path, monkeypatch):
    from components.base_model import fit_denoiser

    whole = fit_denoiser.noised
    calls = []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    out = tmp_path / "weights"
    monkeypatch.setattr(fit_denoiser, "noised", killed)
    with pytest.raises(KeyboardInterrupt):
        train(out, plan(), torch.device("cpu"), workers=1)
    assert not out.exists()
    monkeypatch.undo()
    train(out, plan(), torch.device("cpu"), workers=1)
    for part in ("unet", "vae", "text_encoder"):
        for path in (trained / part).iterdir():
            assert path.read_bytes() == (out / part / path.name).read_bytes(), path.name


def test_another_seed_gives_another_model(trained, tmp_path):
    out = tmp_path / "weights"
    train(out, plan(seed=1), torch.device("cpu"), workers=1)
    name = "unet/diffusion_pytorch_model.safetensors"
    assert (out / name).read_bytes() != (trained / name).read_bytes()


def test_the_trained_folder_resolves_as_a_base_model(trained, tmp_path):
    outcome = resolve(tmp_path, BaseModelSettings(source=str(trained)))
    assert outcome.metrics["parameters_unet"] > 1e6
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae",
    ]  # fmt: skip
    StableDiffusionPipeline.from_pretrained(tmp_path)


def test_a_stage_of_no_steps_keeps_its_weights_and_the_other_goes_on(trained, tmp_path):
    out = tmp_path / "weights"
    stage = {"batch": 4, "learning_rate": 1e-3, "report": 1, "warmup": 0}
    none = Stage(**stage, steps=0)
    longer = plan(autoencoder=none, text=none, denoiser=Stage(**stage, steps=2, bf16=True))
    train(out, longer, torch.device("cpu"), workers=1, start=trained)
    vae, unet = (f"{part}/diffusion_pytorch_model.safetensors" for part in ("vae", "unet"))
    text = "text_encoder/model.safetensors"
    assert (out / vae).read_bytes() == (trained / vae).read_bytes()
    assert (out / text).read_bytes() == (trained / text).read_bytes()
    assert (out / unet).read_bytes() != (trained / unet).read_bytes()
