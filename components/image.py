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

    It is what the last build wrote down. Where none did, it is the project's version under the name
    that a build would give: nobody made that image, or somebody else did (`unbuilt`).

    Raises:
        ValueError: If the file of built images is named and not there, or is not such a file.
    """
    return _built().get(dependencies) or name(dependencies, version("defectory"))


def unbuilt() -> list[DependencySet]:
    """The dependency sets of which no build is on record.

    Raises:
        ValueError: As `image` does.
    """
    built = _built()
    return [one for one in SETS if one not in built]


def built_file() -> Path:
    """The file of built images: `DEFECTORY_IMAGES`, or `images/digests.json` of the project."""
    usual = Path(__file__).resolve().parents[1] / "images" / "digests.json"
    return Path(os.environ.get(BUILT) or usual)


def _built() -> dict[str, str]:
    """The reference of every image of which a build is on record."""
    path = built_file()
    if not path.is_file():
        if os.environ.get(BUILT):
            raise ValueError(
                f"{BUILT} names {path}, which is not there: `defectory images build` writes it"
            )
        return {}
    try:
        return {
            dependencies: _reference(str(one["reference"]), one["digest"])
            for dependencies, one in json.loads(path.read_text()).items()
        }
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not a file that `defectory images build` wrote ({error}): delete it, and "
            "build again"
        ) from error


def _reference(tagged: str, digest: str | None) -> str:
    return f"{repository(tagged)}@{digest}" if digest else tagged


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


def in_registry(reference: str) -> bool:
    """Whether a reference names the registry that it is in.

    One that names none is looked for among the images of a machine, and then on Docker Hub.
    """
    host, slash, _ = reference.partition("/")
    return bool(slash) and (host == "localhost" or "." in host or ":" in host)
