"""What an image is made from, as one value in a label, by which it is known again.

An engine forgets what it built when room is short, and gives the same content another id when it
builds it again: everything that names it by that would change.
"""

import hashlib
import json
from collections.abc import Sequence

from components.image import built_file
from pipelines.images.engine import docker, identity
from pipelines.images.recipes import FOLDER, GROUND, LOCK
from pipelines.revision import unchanged

LABEL = "dev.defectory.inputs"


def inputs(dependencies: str, arguments: Sequence[str]) -> str:
    """The value for an image; empty where what it is made from cannot be told.

    Args:
        dependencies: The dependency set, or the ground.
        arguments: The build's arguments.
    """
    if dependencies != GROUND and not unchanged():
        return ""
    said = hashlib.sha256(json.dumps([dependencies, *arguments]).encode())
    # A tag may since have been given to another base; a base that only the builder has is named
    # by its digest.
    base = next((one for one in arguments if one.startswith("BASE=")), "")
    if base:
        said.update(identity(base.removeprefix("BASE=")).encode())
    for path in (*sorted(one for one in FOLDER.iterdir() if one.is_file()), LOCK):
        if path != built_file():
            said.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return said.hexdigest()


def made_from(value: str) -> str:
    """The id of an image that the engine has with this value, or empty."""
    if not value:
        return ""
    ids = docker(
        "image", "ls", "--no-trunc", "--format", "{{.ID}}", "--filter", f"label={LABEL}={value}"
    )
    return ids.splitlines()[0] if ids else ""
