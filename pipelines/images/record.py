"""The file that says what was built (components/image.py reads it), and the digests in it."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from components.image import BUILT, DependencySet, built_file, repository
from pipelines.images.engine import ImagesFailed, docker

_HUB = ("docker.io/", "index.docker.io/")


@dataclass(frozen=True)
class Built:
    """An image that was built.

    Attributes:
        reference: Its name and tag.
        digest: What a registry calls its content, `sha256:...`; None while in no registry.
        id: What the engine calls its content, `sha256:...`.
        size: Bytes of all its layers, unpacked.
    """

    reference: str
    digest: str | None
    id: str
    size: int


def push(built: Built) -> Built:
    """Push an image to the registry that its name says, and take note of its digest.

    Raises:
        ImagesFailed: If the registry does not take it, or gives no digest.
    """
    sys.stderr.write(f"pushes {built.reference}\n")
    docker("push", built.reference)
    known = json.loads(
        docker("image", "inspect", "--format", "{{json .RepoDigests}}", built.reference)
    )
    place = _shortened(repository(built.reference))
    split = [one.partition("@") for one in known]
    digests = [digest for name, _, digest in split if _shortened(name) == place]
    if not digests:
        raise ImagesFailed(
            f"{built.reference} was pushed, but the engine knows no digest of it, only "
            f"{', '.join(known) or 'none at all'}: push it again, or take another engine"
        )
    return replace(built, digest=digests[-1])


def recorded() -> dict[str, Any]:
    """What is on record; empty where there is no file yet.

    Raises:
        ImagesFailed: If the file is none that this module wrote.
    """
    path = built_file()
    try:
        found = json.loads(path.read_text()) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise ImagesFailed(
            f"{path} cannot be read ({error}): delete it, and build again"
        ) from error
    if not isinstance(found, dict):
        raise ImagesFailed(f"{path} holds no list of built images: delete it, and build again")
    return found


def note(built: Mapping[DependencySet, Built]) -> dict[DependencySet, Built]:
    """Write down what was built, beside what is on record of other images.

    Returns:
        What was written: an image that a registry has under the same name from an earlier push
        keeps its digest.

    Raises:
        ImagesFailed: If the file cannot be read or written.
    """
    before = recorded()
    whole = {one: _still_pushed(image, before.get(one)) for one, image in built.items()}
    path = built_file()
    aside = path.with_suffix(".part")
    content = before | {one: asdict(image) for one, image in whole.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
        aside.replace(path)
    except OSError as error:
        raise ImagesFailed(
            f"the images were built, but {path} cannot be written ({error}): let {BUILT} name "
            "another file, and build again, which finds them built"
        ) from error
    return whole


def _still_pushed(built: Built, before: Any) -> Built:
    if built.digest is not None or not isinstance(before, dict):
        return built
    same = (before.get("reference"), before.get("id")) == (built.reference, built.id)
    return replace(built, digest=before.get("digest")) if same else built


def _shortened(place: str) -> str:
    """The name of a repository as the engine lists it: without Docker Hub's host."""
    for host in _HUB:
        if place.startswith(host):
            return place.removeprefix(host).removeprefix("library/")
    return place
