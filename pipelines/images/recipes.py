"""Where the images' recipes are, and what they name."""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "images"
LOCK = PROJECT / "requirements.lock"

GROUND = "torch"
"""The image that the diffusion and the detection image stand on."""

_BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)


def recipe(name: str) -> Path:
    """The Dockerfile of an image."""
    return FOLDER / f"{name}.Dockerfile"


def bases() -> list[str]:
    """What the images stand on unless a build says otherwise."""
    return sorted(
        {base for file in FOLDER.glob("*.Dockerfile") for base in _BASE.findall(file.read_text())}
    )
