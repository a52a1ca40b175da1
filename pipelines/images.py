"""Building and listing the container images.

The images stand on one another, so a build is up to four:

    data         packages of data and evaluation, and the project itself
    torch        packages that everything with torch shares; no step runs in it
    diffusion    torch, diffusion's packages, and the project as `data` has it
    detection    torch, detection's packages, and the project as `data` has it

What was built is written to a file (components/image.py) that compilation and the Docker runner
read.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex

from components.image import REGISTRY, SETS, DependencySet, built_file, image, name, repository
from pipelines.refusal import SERVER, Refusal
from pipelines.revision import git_revision, unchanged

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "images"
OTHERS = PROJECT / "infra" / "images.txt"
"""Images of other projects that the installation runs: one a line, `#` starts a remark."""

GROUND = "torch"
"""The image that the diffusion and the detection image stand on."""

LOCK = PROJECT / "requirements.lock"

INPUTS = "dev.defectory.inputs"
"""Label of an image that says what it was made from."""

WITHOUT = "none"
"""Value of `Build.detectron2` that leaves it out."""

_BASE = re.compile(r"^ARG BASE=(\S+)$", re.MULTILINE)
_DETECTRON2 = re.compile(r"^ARG DETECTRON2_REVISION=([0-9a-f]{40})$", re.MULTILINE)
_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


class ImagesFailed(Refusal):
    """The images could not be built, or are not there; the message says why and what to do."""

    def __init__(self, message: str) -> None:
        """Take the message."""
        super().__init__(message, SERVER)


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


def build(request: Build) -> dict[DependencySet, Built]:
    """Build images, push them if asked to, and write down what they are.

    The engine's own output goes to standard error.

    Raises:
        ImagesFailed: If there is no engine, or if a build or a push failed.
    """
    registry = (request.registry or os.environ.get(REGISTRY, "")).rstrip("/")
    if request.push and not registry:
        raise ImagesFailed(f"nothing to push to: give a registry with --registry, or in {REGISTRY}")
    check_engine()
    secrets = _secrets(request)
    own = {"detection": _detectron2(request.detectron2)} if "detection" in request.only else {}
    base = [f"BASE={request.base}"] if request.base else []
    made = {"data": _make("data", base, registry, request.network, secrets)}
    if set(request.only) - {"data"}:
        ground = _make(GROUND, base, registry, request.network, secrets)
        upon = [*base, f"TORCH={ground.reference}", f"PROJECT={made['data'].reference}"]
        for dependencies in sorted(set(request.only) - {"data"}):
            arguments = [*upon, *own.get(dependencies, [])]
            made[dependencies] = _make(dependencies, arguments, registry, request.network, secrets)
    built = {one: made[one] for one in SETS if one in request.only}
    if request.push:
        built = {dependencies: _push(one) for dependencies, one in built.items()}
    _write(built)
    return built


def listing() -> list[str]:
    """All images that an installation needs, ours first, then those that ours are built from."""
    files = FOLDER.glob("*.Dockerfile")
    bases = {base for file in files for base in _BASE.findall(file.read_text())}
    lines = OTHERS.read_text().splitlines() if OTHERS.is_file() else []
    others = [line.partition("#")[0].strip() for line in lines]
    return [*(image(one) for one in SETS), *sorted(bases), *(one for one in others if one)]


def check_engine() -> None:
    """Make sure that a Docker Engine answers.

    Raises:
        ImagesFailed: With what is missing.
    """
    if shutil.which("docker") is None:
        raise ImagesFailed(
            "there is no `docker` command here: install Docker Engine (or let `docker` be "
            "another engine's command that takes the same arguments)"
        )
    done = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ImagesFailed(
            f"no Docker Engine answers ({_last_line(done.stderr)}): start it, or say where it is "
            "in DOCKER_HOST; your user must be allowed to use it"
        )


def _make(
    dependencies: str,
    arguments: Sequence[str],
    registry: str,
    network: str,
    secrets: Sequence[str],
) -> Built:
    version = project_version()
    about = [f"VERSION={version}", f"REVISION={git_revision() or 'unknown'}", *_source()]
    given = [*arguments, *(about if dependencies != GROUND else [])]
    inputs = _inputs(dependencies, given)
    identity, made = _present(inputs), ""
    if identity:
        sys.stderr.write(f"has {dependencies}, made from the same\n")
    else:
        # Of this build alone: where a builder keeps what it built to itself, nothing has the name.
        made = name(dependencies, f"{version}-{token_hex(6)}", registry)
        options = ["--network", network] if network else []
        _engine(dependencies, made, [*options, *secrets], given, inputs)
        # Not from --iidfile: what buildx writes there an engine that keeps its images in containerd
        # may not know, and other engines write nothing.
        identity = _docker("image", "inspect", "--format", "{{.Id}}", made)
    reference = name(dependencies, tag(version, identity), registry)
    # The plain version is for people; nothing that is compiled names it.
    for one in (reference, name(dependencies, version, registry)):
        _docker("tag", made or identity, one)
    if made:
        _docker("rmi", made)
    size = int(_docker("image", "inspect", "--format", "{{.Size}}", reference))
    return Built(reference, None, identity, size)


def _engine(
    dependencies: str, made: str, options: Sequence[str], arguments: Sequence[str], inputs: str
) -> None:
    """Have an image built."""
    command = [
        "docker", "build",
        "--progress", "plain",
        "--file", str(FOLDER / f"{dependencies}.Dockerfile"),
        "--tag", made,
        # Also an empty one: an image takes the labels of that which it stands on.
        "--label", f"{INPUTS}={inputs}",
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


def _inputs(dependencies: str, arguments: Sequence[str]) -> str:
    """What an image is made from, in one value; empty where that cannot be told.

    An engine forgets what it built when room is short, and gives the same content another id when
    it builds it again: everything that names it by that would change.
    """
    if dependencies != GROUND and not unchanged():
        return ""
    said = hashlib.sha256(json.dumps([dependencies, *arguments]).encode())
    # A tag may since have been given to another base; a base that only the builder has is named
    # by its digest.
    base = next((one for one in arguments if one.startswith("BASE=")), "")
    if base:
        found = subprocess.run(
            ["docker", "image", "inspect", "--format", "{{.Id}}", base.removeprefix("BASE=")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        said.update(found.stdout.encode())
    for path in (*sorted(one for one in FOLDER.iterdir() if one.is_file()), LOCK):
        if path != built_file():
            said.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return said.hexdigest()


def _present(inputs: str) -> str:
    """The id of an image made from just this, or empty."""
    if not inputs:
        return ""
    ids = _docker(
        "image", "ls", "--no-trunc", "--format", "{{.ID}}", "--filter", f"label={INPUTS}={inputs}"
    )
    return ids.splitlines()[0] if ids else ""


def tag(version: str, identity: str) -> str:
    """The tag of an image: never two contents under one name, also where no registry counts."""
    return f"{version}-{identity.removeprefix('sha256:')[:12]}"


def project_version() -> str:
    """The version in `pyproject.toml`."""
    with (PROJECT / "pyproject.toml").open("rb") as stream:
        return str(tomllib.load(stream)["project"]["version"])


def _push(built: Built) -> Built:
    sys.stderr.write(f"pushes {built.reference}\n")
    _docker("push", built.reference)
    found = json.loads(
        _docker("image", "inspect", "--format", "{{json .RepoDigests}}", built.reference)
    )
    place = repository(built.reference)
    digests = [one.partition("@")[2] for one in found if one.partition("@")[0] == place]
    if not digests:
        raise ImagesFailed(f"{built.reference} was pushed, but the engine knows no digest of it")
    return Built(built.reference, digests[-1], built.id, built.size)


def _write(built: dict[DependencySet, Built]) -> None:
    path = built_file()
    before = json.loads(path.read_text()) if path.is_file() else {}
    content = before | {dependencies: asdict(one) for dependencies, one in built.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    aside.replace(path)


def _detectron2(source: str) -> list[str]:
    """Build arguments that say where detectron2 comes from."""
    if source in ("", WITHOUT):
        return [f"DETECTRON2={source}"] if source else []
    (revision,) = _DETECTRON2.findall((FOLDER / "detection.Dockerfile").read_text())
    reference = f"defectory/detectron2-source:{revision[:12]}"
    if shutil.which("git") is None:
        raise ImagesFailed(
            f"--detectron2 {source}: there is no `git` command here to read it with; install git, "
            f"or leave detectron2 out with --detectron2 {WITHOUT}"
        )
    packed = subprocess.run(
        ["git", "-C", source, "archive", revision], capture_output=True, check=False
    )
    if packed.returncode != 0:
        raise ImagesFailed(
            f"--detectron2 {source}: not a git repository that has commit {revision} "
            f"({_last_line(packed.stderr.decode())})"
        )
    done = subprocess.run(
        ["docker", "import", "-", reference], input=packed.stdout, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise ImagesFailed(f"docker import - {reference}: {_last_line(done.stderr.decode())}")
    return [f"DETECTRON2={reference}"]


def _secrets(request: Build) -> list[str]:
    """The build machine's way to a package index, which no image keeps."""
    named = (os.environ.get(one, "") for one in _CERTIFICATES)
    certificates = request.certificates or next((one for one in named if one), "")
    secrets = []
    for identity, path in (("pip", request.pip), ("ca", certificates)):
        if path and not Path(path).is_file():
            raise ImagesFailed(f"there is no file {path}")
        if path:
            secrets += ["--secret", f"id={identity},src={Path(path).resolve()}"]
    return secrets


def _source() -> list[str]:
    """Where the project's code is published, if its checkout says so."""
    try:
        done = subprocess.run(
            ["git", "-C", str(PROJECT), "remote", "get-url", "origin"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return []
    found = re.fullmatch(r"https://(?:[^@/]*@)?(\S+)", done.stdout.strip())
    return [f"SOURCE=https://{found[1]}"] if found else []


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImagesFailed(f"docker {' '.join(arguments)}: {_last_line(done.stderr)}")
    return done.stdout.strip()


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
