"""Which GPUs a process may use, and what is said where torch cannot use one."""

from pathlib import Path

import pytest

from components.accelerator import CHOICE, given, gpus
from pipelines.machine import gpu_room, lanes


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Linux's files of a machine with two GPUs, the first of which this container was not given."""
    monkeypatch.delenv(CHOICE, raising=False)
    for name in ("nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    (tmp_path / "nvidia-caps").mkdir()
    return tmp_path


def test_the_gpus_are_counted_from_0(devices: Path) -> None:
    assert gpus(devices) == ["0", "1"]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("", []),
        ("-1", []),
        ("1", ["1"]),
        ("1, 0", ["1", "0"]),
        ("0,-1,1", ["0"]),
        ("GPU-8932f937,1", ["GPU-8932f937", "1"]),
    ],
)
def test_who_runs_the_process_may_choose(
    choice: str, names: list[str], devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHOICE, choice)

    assert gpus(devices) == names


def test_nobody_can_choose_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHOICE, "0")

    assert gpus(tmp_path) == []


@pytest.mark.parametrize("named", ["", "all", "none", "void"])
def test_an_image_that_would_take_any_gpu_was_given_none(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CHOICE, raising=False)
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", named)

    assert not given(tmp_path)
    (tmp_path / "nvidia0").touch()
    assert given(tmp_path)


@pytest.mark.parametrize(("count", "at_once"), [(1, 1), (2, 2), (8, 2)])
def test_every_gpu_computes_one_step_at_once_as_far_as_kfp_starts_them(
    count: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.machine.gpus", lambda: [str(one) for one in range(count)])

    assert lanes(10**15) == at_once


@pytest.mark.parametrize(
    ("said", "smallest"),
    [
        ("echo 143771; echo 81559", 81559 << 20),
        ("echo No devices were found", None),
        ("exit 9", None),
    ],
)
def test_the_smallest_gpu_s_memory_is_what_nvidia_s_program_says(
    said: str, smallest: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{said}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert gpu_room() == smallest


def test_without_nvidia_s_program_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert gpu_room() is None


def test_a_gpu_that_torch_cannot_use_is_no_reason_to_compute_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from components import device

    if device.torch.accelerator.is_available():
        pytest.skip("torch can use the GPU of this machine")
    monkeypatch.delenv(CHOICE, raising=False)
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "GPU-8932f937")

    with pytest.raises(device.GPUUnusable) as told:
        device.choose(bf16=True)

    assert "NVIDIA driver" in str(told.value) and f"set {CHOICE}= " in str(told.value)
    monkeypatch.setenv(CHOICE, "")
    assert not device.choose(bf16=True).accelerated


@pytest.mark.parametrize(
    ("capability", "told"),
    [((7, 0), "it has compute capability 7.0"), ((7, 5), ""), ((9, 0), ""), ((12, 0), "")],
)
def test_a_gpu_older_than_what_torch_was_compiled_for_is_refused(
    capability: tuple[int, int], told: str
) -> None:
    from components.device import GPUUnusable, check_kernels

    compiled = ["sm_100", "sm_75", "sm_80", "sm_90a", "compute_120"]
    if not told:
        check_kernels(capability, compiled)
        return
    with pytest.raises(GPUUnusable, match="it needs 7.5 or more") as refused:
        check_kernels(capability, compiled)
    assert told in str(refused.value)


def test_what_torch_was_compiled_for_is_read() -> None:
    import torch

    from components.device import GPUUnusable, check_kernels

    compiled = torch._C._cuda_getArchFlags().split()
    with pytest.raises(GPUUnusable):
        check_kernels((1, 0), compiled)
    check_kernels((9, 0), compiled)
    check_kernels((1, 0), [])
