"""The container images that steps run in, one a dependency set.

`defectory images build` writes what it built to a file, which is read here: the name of every
image, and its digest where a registry gave one. An image that only this machine has is named by a
tag that ends in its own id, so a name never stands for two contents.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Literal, get_args

DependencySet = Literal["data", "diffusion", "detection"]

SETS: tuple[DependencySet, ...] = get_args(DependencySet)

BUILT = "DEFECTORY_IMAGES"
"""Environment variable with the path of the file of built images, where it is not the usual one."""

REGISTRY = "DEFECTORY_REGISTRY"
"""Environment variable with the registry, and folders in it, that the project's images lie in."""


def image(dependencies: DependencySet) -> str:
    """Reference of the container image that holds a dependency set.

    It is what the last build wrote down; where nothing was built, the name that a build would
    give, with the project's version as its tag.

    Raises:
        ValueError: If the file of built images is named and not there, or is not such a file.
    """
    path = built_file()
    if not path.is_file():
        if BUILT in os.environ:
            raise ValueError(
                f"{BUILT} names {path}, which is not there: `defectory images build` writes it"
            )
        return name(dependencies, version("defectory"))
    try:
        built = json.loads(path.read_text()).get(dependencies)
        if built is None:
            return name(dependencies, version("defectory"))
        reference, digest = str(built["reference"]), built["digest"]
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not a file that `defectory images build` wrote ({error}): build again"
        ) from error
    return f"{repository(reference)}@{digest}" if digest else reference


def built_file() -> Path:
    """The file of built images: `DEFECTORY_IMAGES`, or `images/digests.json` of the project."""
    usual = Path(__file__).resolve().parents[1] / "images" / "digests.json"
    return Path(os.environ.get(BUILT) or usual)


def name(dependencies: str, tag: str, registry: str | None = None) -> str:
    """Name of an image of the project.

    Args:
        dependencies: The dependency set.
        tag: Its tag.
        registry: Registry and folders in it; `DEFECTORY_REGISTRY` by default, or none.
    """
    place = os.environ.get(REGISTRY, "") if registry is None else registry
    return f"{place.rstrip('/')}/defectory/{dependencies}:{tag}".lstrip("/")


def repository(reference: str) -> str:
    """A reference without its tag; the port of a registry is no tag."""
    head, slash, last = reference.rpartition("/")
    return f"{head}{slash}{last.split(':')[0]}"
