"""Small artifacts for the diffusion steps."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tiny import Form, write_base

from components.valvano.dreambooth.prior import draw_prior
from components.valvano.dreambooth.settings import PriorSettings
from components.valvano.driver_extraction.extract import extract
from components.valvano.driver_extraction.settings import DriverSettings


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads, far slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Form], Path]:
    """Random base models, by form."""
    made: dict[str, Path] = {}

    def get(form: Form = "tiny") -> Path:
        if form not in made:
            made[form] = write_base(tmp_path_factory.mktemp(form), form)
        return made[form]

    return get


@pytest.fixture(scope="session")
def class_images(base: Callable[[Form], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three class images at 32 px."""
    out = tmp_path_factory.mktemp("prior")
    draw_prior(out, PriorSettings(images=3, steps=2, guidance=1), base("tiny"), "surface", 32, 0)
    return out


@pytest.fixture(scope="session")
def drivers(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drivers of the shared dataset."""
    out = tmp_path_factory.mktemp("drivers")
    extract(out, DriverSettings(), dataset)
    return out
