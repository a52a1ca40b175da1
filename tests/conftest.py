"""Fixtures that all tests share."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Two test processes share two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))

from photos import draw_folder

# An example that takes long on a busy machine has not failed.
settings.register_profile("untimed", parent=settings(), deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 annotated and 12 defect-free photos of 64 px: two exposures of 18 pieces, two classes."""
    return draw_folder(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def dataset(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset artifact at 32 px made from `photo_folder`; fractions 0.1, 0.5, 1; seed 0."""
    from components.data_versioning.settings import DataSettings
    from components.data_versioning.version import version

    out = tmp_path_factory.mktemp("dataset")
    version(out, DataSettings(resolution=32), photo_folder, "0.1,0.5,1", 0, "")
    return out
