"""Builds the images.

They stand on one another, so a build is up to four:

    data         packages of data and evaluation, and the project itself
    torch        packages that everything with torch shares; no step runs in it
    diffusion    torch, diffusion's packages, and the project as `data` has it
    detection    torch, detection's packages, and the project as `data` has it
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex

from components.image import REGISTRY, SETS, DependencySet, name
from pipelines.images.about import about, project_version, tag
from pipelines.images.detectron2 import detectron2
from pipelines.images.engine import ImagesFailed, check_engine, docker
from pipelines.images.index import secrets
from pipelines.images.inputs import LABEL, inputs, made_from
from pipelines.images.recipes import GROUND, PROJECT, recipe
from pipelines.images.record import Built, note, push, recorded


@dataclass(frozen=True)
class Build:
    """What is to be built.

    Attributes:
        only: The dependency sets; an image that others stand on is built with them.
        registry: Registry, and folders in it, to name the images for; `DEFECTORY_REGISTRY`, or
            none, when empty.
        push: Whether to push them there, which gives them digests.
        base: Python image to stand on instead of the one that the Dockerfiles name.
        detectron2: Folder or bare repository to take detectron2 from, at the commit that the
            Dockerfile names, instead of its own repository; `none` leaves it out.
        network: Docker's network for the build; its default when empty.
        pip: pip configuration with the package index to use; pip's own default when empty.
        certificates: Bundle of certificates to trust during the build; the file that `PIP_CERT`,
            `SSL_CERT_FILE` or `REQUESTS_CA_BUNDLE` name, when empty.
    """

    only: Sequence[DependencySet] = SETS
    registry: str = ""
    push: bool = False
    base: str = ""
    detectron2: str = ""
    network: str = ""
    pip: str = ""
    certificates: str = ""


def build(request: Build) -> dict[DependencySet, Built]:
    """Build images, push them if asked to, and write down what they are.

    The engine's own output goes to standard error.

    Raises:
        ImagesFailed: If there is no engine, if a build or a push failed, or if what was built
            cannot be written down.
    """
    registry = (request.registry or os.environ.get(REGISTRY, "")).rstrip("/")
    if request.push and not registry:
        raise ImagesFailed(f"nothing to push to: give a registry with --registry, or in {REGISTRY}")
    # Told before the minutes of a build, not after them.
    recorded()
    check_engine()
    options = secrets(request.pip, request.certificates)
    if request.network:
        options += ["--network", request.network]
    own = {"detection": detectron2(request.detectron2)} if "detection" in request.only else {}
    base = [f"BASE={request.base}"] if request.base else []
    made = {"data": _make("data", base, registry, options)}
    if set(request.only) - {"data"}:
        ground = _make(GROUND, base, registry, options)
        upon = [*base, f"TORCH={ground.reference}", f"PROJECT={made['data'].reference}"]
        for dependencies in sorted(set(request.only) - {"data"}):
            arguments = [*upon, *own.get(dependencies, [])]
            made[dependencies] = _make(dependencies, arguments, registry, options)
    built = {one: made[one] for one in SETS if one in request.only}
    if request.push:
        built = {dependencies: push(one) for dependencies, one in built.items()}
    return note(built)


def _make(
    dependencies: str, arguments: Sequence[str], registry: str, options: Sequence[str]
) -> Built:
    version = project_version()
    # The ground says nothing of the code: it is the same for every commit.
    given = [*arguments, *(about() if dependencies != GROUND else [])]
    value = inputs(dependencies, given)
    known, made = made_from(value), ""
    if known:
        sys.stderr.write(f"has {dependencies}, made from the same\n")
    else:
        # Of this build alone: where a builder keeps what it built to itself, nothing has the name.
        made = name(dependencies, f"{version}-{token_hex(6)}", registry)
        _run(dependencies, made, options, given, value)
        # Not from --iidfile: what buildx writes there an engine that keeps its images in containerd
        # may not know, and other engines write nothing.
        known = docker("image", "inspect", "--format", "{{.Id}}", made)
    reference = name(dependencies, tag(version, known), registry)
    # The plain version is for people. A package names it only where no build is on record, and
    # then `deploy` refuses (reach.py).
    for one in (reference, name(dependencies, version, registry)):
        docker("tag", made or known, one)
    if made:
        docker("rmi", made)
    size = int(docker("image", "inspect", "--format", "{{.Size}}", reference))
    return Built(reference, None, known, size)


def _run(
    dependencies: str, made: str, options: Sequence[str], arguments: Sequence[str], value: str
) -> None:
    """Have the engine build an image."""
    command = [
        "docker", "build",
        "--progress", "plain",
        "--file", str(recipe(dependencies)),
        "--tag", made,
        # Also an empty one: an image takes the labels of that which it stands on.
        "--label", f"{LABEL}={value}",
        *options,
    ]  # fmt: skip
    for argument in arguments:
        command += ["--build-arg", argument]
    sys.stderr.write(f"builds {dependencies}\n")
    done = subprocess.run(
        [*command, str(PROJECT)],
        # Attestations say when an image was built, and an engine that keeps its images in
        # containerd makes them part of the id: it would change although nothing else did.
        env=os.environ | {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode != 0:
        raise ImagesFailed(
            f"the image {dependencies!r} was not built; the engine says above why. It needs "
            "BuildKit (the package docker-buildx-plugin, or docker-buildx), the base image "
            "(--base), a package index (--pip, --certificates) and, for detectron2, its "
            "repository (--detectron2)"
        )
