"""Trainings that are killed end as if they had not been."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import training_process

from components.store import digest_tree

# Forked from a server that has imported torch once and computed nothing.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["training_process"])


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server reads PYTHONPATH only; without it every process would import torch itself."""
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{here}:{here.parents[1]}")


def start(train: Callable[..., None], out: Path, *inputs: Path) -> BaseProcess:
    out.mkdir(exist_ok=True)
    process = PROCESSES.Process(target=train, args=(out, *inputs))
    process.start()
    return process


@pytest.mark.parametrize(
    ("kind", "form", "state"),
    [
        ("concept", "stable", "checkpoint"),
        ("decoder", "tiny", "decoder"),
        ("control", "tiny", "checkpoint"),
    ],
)
def test_a_killed_training_continues_to_the_same_bits(
    tmp_path, dataset, base, class_images, drivers, kind, form, state
):
    train = getattr(training_process, kind)
    inputs = (dataset, base(form), drivers if kind == "control" else class_images)
    whole, part = tmp_path / "whole", tmp_path / "part"
    disturbed = start(train, part, *inputs)
    while not (part / f"{state}.safetensors").is_file():
        assert disturbed.is_alive()
        time.sleep(0.005)
    disturbed.kill()
    disturbed.join()
    assert (part / f"{state}.safetensors").is_file(), "it was over before it could be killed"
    (part / f"{state}.part").write_bytes(b"half a checkpoint")

    for out in (part, whole):
        process = start(train, out, *inputs)
        process.join()
        assert process.exitcode == 0

    assert part.with_suffix(".outcome").read_text() == whole.with_suffix(".outcome").read_text()
    assert digest_tree(part) == digest_tree(whole)
