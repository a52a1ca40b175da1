"""Reads the images' recipes, and puts stand-ins in the place of what they call."""

from pathlib import Path

from pipelines.images.recipes import recipe


def dockerfile(name: str) -> str:
    """A recipe with its instructions on one line each."""
    return recipe(name).read_text().replace("\\\n", " ")


def instructions(name: str, *kinds: str) -> list[str]:
    """The instructions of some kinds."""
    lines = (line.strip() for line in dockerfile(name).splitlines())
    return [line for line in lines if line.split(" ")[0] in kinds]


def stand_in(path: Path, code: str) -> None:
    """A program of a few lines of shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)
