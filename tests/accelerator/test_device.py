"""Every step on a device that is not the CPU: a GPU where there is one, and one that is played.

That one (apart.cpp) refuses what CUDA refuses: tensors and generators of two devices in one
operation, numpy's look at its memory. It does not show what only a GPU can: its own kernels and
their speed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from components.accelerator import gpus
from components.record import read_record
from components.store import RECORD

HERE = Path(__file__).parent
BF16 = ("prior", "dreambooth", "hypernetwork", "synthesis", "mask_rcnn")
COMPUTING = {*BF16, "fid_evaluation"}
"""Steps that compute on a GPU where there is one."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """An environment in which torch finds the device."""
    if not shutil.which("g++"):
        pytest.skip("needs g++")
    import torch
    from torch.utils.cpp_extension import include_paths, library_paths

    folder = tmp_path_factory.mktemp("apart")
    library = folder / "apart.so"
    command = ["g++", "-std=c++20", "-fPIC", "-shared", str(HERE / "apart.cpp"), "-o", str(library)]
    command += [f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"]
    command += [f"-isystem{path}" for path in include_paths()]
    command += [f"-L{path}" for path in library_paths()] + ["-ltorch", "-ltorch_cpu", "-lc10"]
    subprocess.run(command, check=True)
    plugin = folder / "apart-1.dist-info"
    plugin.mkdir()
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: apart\nVersion: 1\n")
    (plugin / "entry_points.txt").write_text("[torch.backends]\napart = apart:register\n")
    return {**os.environ, "APART": str(library), "PYTHONPATH": f"{HERE}:{folder}"}


def _refused(statement: str, environment: Mapping[str, str]) -> str:
    """The error that a statement about a tensor `there` ends with."""
    device = "torch.accelerator.current_accelerator()"
    code = f"import torch; there = torch.ones(2, device={device}); {statement}"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    return ended.stderr.strip().splitlines()[-1] if ended.returncode else ""


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("there + torch.ones(2)", "same device"),
        ("torch.cat([there, torch.ones(2)])", "same device"),
        ("torch.nn.functional.conv1d(there[None], torch.ones(1, 1, 1))", "same device"),
        ("there.normal_(generator=torch.Generator())", "generator"),
        ("there.numpy()", "numpy"),
    ],
)
def test_the_device_refuses_what_cuda_refuses(
    statement: str, reason: str, environment: Mapping[str, str]
) -> None:
    assert reason in _refused(statement, environment)
    assert not _refused(
        statement.replace("torch.ones", "there.new_ones")
        .replace("torch.Generator()", "torch.Generator(there.device)")
        .replace("there.numpy", "there.cpu().numpy"),
        environment,
    )


@pytest.fixture(params=["apart", "cuda"])
def accelerated(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """An environment in which torch finds one of the devices."""
    if request.param == "cuda":
        if not gpus():
            pytest.skip("needs a GPU")
        return os.environ
    environment: Mapping[str, str] = request.getfixturevalue("environment")
    return environment


@pytest.mark.dag
def test_the_whole_pipeline_computes_on_it(
    accelerated: Mapping[str, str], photo_folder: Path, tmp_path: Path
) -> None:
    ended = _run(
        accelerated, photo_folder, tmp_path,
        *(f"{step}.bf16=true" for step in BF16),
        "dreambooth.gradient_checkpointing=true",
        "dreambooth.text_encoder=true",
        "hypernetwork.gradient_checkpointing=true",
        "hypernetwork.ema=0.9",
        "synthesis.guidance=3",
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    records = [read_record(one.parent) for one in tmp_path.glob(f".store/*/*/result/{RECORD}")]
    assert {one.step for one in records if one.device_memory} == COMPUTING
    assert COMPUTING < {one.step for one in records}


@pytest.mark.dag
def test_too_little_memory_is_told_with_the_settings_that_take_less(
    environment: Mapping[str, str], photo_folder: Path, tmp_path: Path
) -> None:
    small = {**environment, "APART_BYTES": "30000000"}

    ended = _run(small, photo_folder, tmp_path)

    assert ended.returncode != 0
    told = [line for line in ended.stdout.splitlines() if "failed: " in line]
    assert told, ended.stdout[-3000:]
    assert "set this step's batch below 2 or bf16=true, or" in told[0]


def _run(
    environment: Mapping[str, str], data: Path, out: Path, *settings: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.cli", "run", "--preset", "smoke"]
    command += ["--data", str(data), "--out", str(out)]
    command += [word for setting in settings for word in ("--set", setting)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)
