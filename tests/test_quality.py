"""Lint, format and types are part of the tests."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.licenses import canonicalize_license_expression

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
    ],
    ids=["lint", "format", "types"],
)
def test_the_code_is_in_order(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_pins_every_dependency_without_addresses() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()

    assert len(lines) > 100
    assert [
        line for line in lines if not re.fullmatch(r"[a-z0-9._-]+==[^\s/]+( ; .+)?", line)
    ] == []


def test_the_licence_is_one_and_the_same_everywhere() -> None:
    with (ROOT / "pyproject.toml").open("rb") as stream:
        named = tomllib.load(stream)["project"]["license"]
    cards = [ROOT / "README.md", *(ROOT / "components").rglob("README.md")]
    said = [re.findall(r"Licence[.:]\W*([\w.-]+\w)", one.read_text()) for one in cards]

    assert canonicalize_license_expression(named) == named
    assert {one for many in said for one in many} == {named}
    assert sum(map(bool, said)) >= 3


def test_the_top_level_is_the_one_agreed_on() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    top = {name.split("/")[0] for name in tracked if not name.startswith(".")}

    assert top <= {
        "pipelines", "components", "images", "data.dvc", "tests", "infra", "README.md",
        "pyproject.toml", "requirements.lock", "LICENSE",
    }  # fmt: skip
    assert {"pipelines", "components", "tests", "README.md", "pyproject.toml"} <= top
