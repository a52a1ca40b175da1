"""Both packages, compiled once."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from compiled import Package, compile_package

from pipelines.profiles import PROFILES


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Package, list[str]]]:
    folder = tmp_path_factory.mktemp("packages")
    found = {}
    for name in PROFILES:
        path = folder / f"{name}.yaml"
        modules = compile_package(name, path)
        found[name] = (Package(path), modules)
    return found


@pytest.fixture(params=list(PROFILES))
def package(
    request: pytest.FixtureRequest, imported: dict[str, tuple[Package, list[str]]]
) -> Package:
    return imported[request.param][0]


@pytest.fixture
def kind(imported: dict[str, tuple[Package, list[str]]]) -> Package:
    return imported["kind"][0]


@pytest.fixture
def gpu(imported: dict[str, tuple[Package, list[str]]]) -> Package:
    return imported["gpu"][0]
