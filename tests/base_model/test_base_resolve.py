import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hub import COMMIT, NAME, serving
from safetensors.numpy import save_file

from components.base_model import resolve as module
from components.base_model.folder import WEIGHTS, problems
from components.base_model.resolve import resolve
from components.base_model.settings import BaseModelSettings
from components.store import digest_tree


@pytest.fixture
def model(tmp_path):
    """A folder that has all that is checked, without networks worth the name."""
    root = tmp_path / "model"
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    }
    configs = {
        "unet/config.json": {"in_channels": 4, "cross_attention_dim": 8},
        "vae/config.json": {"latent_channels": 4},
        "text_encoder/config.json": {"hidden_size": 8},
        "tokenizer/tokenizer_config.json": {},
        "scheduler/scheduler_config.json": {},
        "model_index.json": index,
    }
    for name, content in configs.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    for part in ("unet", "vae", "text_encoder"):
        save_file({"w": np.zeros((2, 3), np.float16)}, root / part / "model.safetensors")
    return root


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def to_pickle(root):
    (root / "unet" / "model.safetensors").rename(root / "unet" / "model.bin")


BREAKS = {
    "no index": (lambda root: (root / "model_index.json").unlink(), "model_index.json is missing"),
    "no part": (lambda root: shutil.rmtree(root / "tokenizer"), "tokenizer/ is missing"),
    "no config": (lambda root: (root / "vae" / "config.json").unlink(), "vae/config.json is"),
    "bad json": (lambda root: (root / "unet" / "config.json").write_text("{"), "unet/config.json"),
    "no weights": (
        lambda root: (root / "vae" / "model.safetensors").unlink(),
        "vae/ has no .safetensors",
    ),
    "pickle": (to_pickle, "unet/model.bin is a pickle"),
    "cut short": (
        lambda root: (root / "unet" / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{"),
        "cannot be read",
    ),
    "shard": (
        lambda root: (root / "unet" / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": {"w": "part-2.safetensors"}})
        ),
        "part-2.safetensors, a shard",
    ),
    "own code": (
        lambda root: change(root / "model_index.json", unet=["unet.my_code", "Mine"]),
        "needs code from 'unet.my_code'",
    ),
    "other pipeline": (
        lambda root: change(root / "model_index.json", _class_name="FluxPipeline"),
        "'FluxPipeline'",
    ),
    "inpainting": (
        lambda root: change(root / "unet" / "config.json", in_channels=9),
        "reads 9 channels",
    ),
    "text width": (
        lambda root: change(root / "text_encoder" / "config.json", hidden_size=16),
        "text of width 8",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_every_problem_is_named(model, tmp_path, name):
    damage, message = BREAKS[name]
    assert not list(problems(model))
    damage(model)
    with pytest.raises(ValueError) as caught:
        resolve(tmp_path / "out", BaseModelSettings(source=str(model)))
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_all_problems_are_named_at_once(model, tmp_path):
    for name in ("no part", "pickle", "inpainting"):
        BREAKS[name][0](model)
    with pytest.raises(ValueError) as caught:
        resolve(tmp_path, BaseModelSettings(source=str(model)))
    assert str(caught.value).count("\n  - ") == 3


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        resolve(tmp_path, BaseModelSettings(source=str(tmp_path / "nowhere")))


def test_only_the_model_s_own_files_are_taken(model, tmp_path):
    (model / "unet" / "model.fp16.safetensors").write_bytes(b"")
    (model / "unet" / "old.bin").write_bytes(b"")
    (model / "notes.txt").write_text("mine")
    out = tmp_path / "out"
    (out / "unet").mkdir(parents=True)
    (out / "unet" / "left.part").write_text("an interrupted try")
    (out / "unet" / "config.json").write_text("cut of")
    outcome = resolve(out, BaseModelSettings(source=str(model)))
    names = {path.name for path in out.rglob("*") if path.is_file()}
    assert names == {
        "model_index.json", "config.json", "model.safetensors", "tokenizer_config.json",
        "scheduler_config.json",
    }  # fmt: skip
    assert json.loads((out / "unet" / "config.json").read_text())["in_channels"] == 4
    assert json.loads((out / "model_index.json").read_text())["safety_checker"] == [None, None]
    assert outcome.metrics["parameters_unet"] == 6


def test_a_folder_that_changed_since_the_run_was_prepared_is_refused(model, tmp_path):
    settings = BaseModelSettings(source=str(model), digest=digest_tree(model))
    resolve(tmp_path / "one", settings)
    change(model / "unet" / "config.json", sample_size=32)
    with pytest.raises(ValueError, match="has changed since"):
        resolve(tmp_path / "other", settings)


def test_resolving_twice_gives_the_same_bytes(model, tmp_path):
    for name in ("one", "other", "other"):
        resolve(tmp_path / name, BaseModelSettings(source=str(model)))
    assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "other")


def test_the_embedded_model_comes_with_its_samples(model, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    model.rename(home / "weights")
    (home / "weights" / "samples.png").write_bytes(b"a picture")
    (home / "weights" / "training.json").write_text("{}")
    for command in (["init", "--no-scm", "--quiet"], ["add", "--quiet", "weights"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=home, check=True)
    monkeypatch.setattr(module, "_HERE", home)
    out = tmp_path / "out"
    for _ in range(2):
        resolve(out, BaseModelSettings())
    assert (out / "preview" / "samples.png").read_bytes() == b"a picture"
    assert not (out / "training.json").exists()


def fetch(tmp_path, endpoint, commit=COMMIT, **environment):
    """Resolve a hub's model in a process of its own: the hub's client reads its settings once."""
    code = (
        "from pathlib import Path; from components.base_model.resolve import resolve; "
        "from components.base_model.settings import BaseModelSettings; "
        f"resolve(Path({str(tmp_path / 'out')!r}), "
        f"BaseModelSettings(source={NAME!r}, revision={commit!r}))"
    )
    surroundings = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "cache")}
    surroundings |= environment
    return subprocess.run(
        [sys.executable, "-c", code], env=surroundings, capture_output=True, text=True
    )


def test_a_hub_model_is_fetched_at_its_commit_without_pickles(model, tmp_path):
    for name in ("unet/model.bin", "unet/model.fp16.safetensors", "v1-5.ckpt", "README.md"):
        (model / name).write_bytes(b"not wanted")
    # The client keeps what it got in blocks of 10 MB, and fetches equal files once.
    for size, part in zip((12_000_000, 7, 8), WEIGHTS, strict=True):
        save_file({"w": np.zeros(size, np.float16)}, model / part / "model.safetensors")
    with serving(model) as hub:
        hub.cuts.add("unet/model.safetensors")
        ended = fetch(tmp_path, hub.address)
    assert ended.returncode == 0, ended.stderr

    assert {Path(name).suffix for name in hub.fetched()} == {".json", ".safetensors"}
    assert not any(".fp16." in name for name in hub.fetched())
    assert any(first for _, _, first in hub.asked), "what was there is not fetched again"
    for part in WEIGHTS:
        name = f"{part}/model.safetensors"
        assert (tmp_path / "out" / name).read_bytes() == (model / name).read_bytes()
    assert "downloading 24.0M/24.0MB" in ended.stdout

    # Now from the hub's cache.
    shutil.rmtree(tmp_path / "out")
    assert fetch(tmp_path, hub.address, HF_HUB_OFFLINE="1").returncode == 0
    assert (tmp_path / "out" / "model_index.json").is_file()


def test_a_hub_that_does_not_give_a_model_is_told_with_the_ways_out(tmp_path):
    with serving(tmp_path) as hub:
        refused = fetch(tmp_path, hub.address, "f" * 40)
        offline = fetch(tmp_path, hub.address, HF_HUB_OFFLINE="1")

    for one, reason in ((refused, "Repository Not Found"), (offline, "HF_HUB_OFFLINE is set")):
        told = one.stderr.strip().splitlines()[-1]
        assert told.startswith(f"ValueError: the hub at {hub.address} does not give {NAME} at ")
        assert reason in told
        assert "HF_ENDPOINT" in told and "HF_TOKEN" in told and "folder" in told


def test_a_hub_model_without_a_commit_is_refused():
    with pytest.raises(ValueError, match="needs revision"):
        BaseModelSettings(source="owner/name")
