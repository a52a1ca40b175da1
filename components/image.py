"""The container images that steps run in, one a dependency set."""

from typing import Literal

DependencySet = Literal["data", "diffusion", "detection"]


def image(dependencies: DependencySet) -> str:
    """Name of the container image that holds a dependency set."""
    return f"defectory/{dependencies}-python:0.1.0"
