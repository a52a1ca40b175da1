"""Who begins to use CUDA: the warm process must not, or none of its children can.

Packages look for a GPU when they are imported, diffusers for one.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from components.outcome import Outcome
from components.settings import Settings
from components.warm import PRELOADED, Call, perform_warm

HERE = Path(__file__).parent


def reach(out: Path, settings: Settings) -> Outcome:
    """Say whether everything was imported before, and whether CUDA can be used here."""
    warm = all(name in sys.modules for name in PRELOADED)
    import torch

    return Outcome({"warm": warm, "lost": torch.cuda._is_in_bad_fork()})


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the driver's two libraries."""
    compiler = shutil.which("gcc")
    if not compiler:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("driver")
    library = folder / "libcuda.so.1"
    command = [compiler, "-shared", "-fPIC", str(HERE / "driver.c"), "-o", str(library)]
    subprocess.run(command, check=True)
    shutil.copyfile(library, folder / "libnvidia-ml.so.1")
    return folder


def _with(driver: Path, begun: Path) -> Mapping[str, str]:
    paths = {"LD_LIBRARY_PATH": str(driver), "PYTHONPATH": str(HERE)}
    return {**os.environ, **paths, "CUDA_BEGUN": str(begun)}


def test_torch_begins_with_cuda_when_it_is_asked_for_a_gpu(driver: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    command = [sys.executable, "-c", "import torch; torch.cuda.is_available()"]

    subprocess.run(command, env=_with(driver, begun), check=True, capture_output=True)

    assert begun.read_text()


def test_the_warm_process_imports_all_and_leaves_cuda_to_its_children(
    driver: Path, tmp_path: Path
) -> None:
    address, begun = tmp_path / "socket", tmp_path / "begun"
    environment = _with(driver, begun)
    server = subprocess.Popen(
        [sys.executable, "-m", "components.warm", str(address)],
        env=environment, stdin=subprocess.PIPE,
    )  # fmt: skip
    while not address.exists():
        time.sleep(0.01)
    call = Call("test_nvidia_driver:reach", "components.settings:Settings", "{}",
                {"out": str(tmp_path)}, {}, environment)  # fmt: skip
    ends = time.monotonic() + 120
    while not (found := perform_warm(call, address).outcome.metrics)["warm"]:
        assert time.monotonic() < ends
        time.sleep(0.2)
    server.communicate()

    assert found == {"warm": True, "lost": False}
    processes = begun.read_text().split() if begun.exists() else []
    assert str(server.pid) not in processes
