"""What an image says of itself: its version, its code, and where that code is published."""

import re
import subprocess
import tomllib

from pipelines.images.recipes import PROJECT
from pipelines.revision import git_revision

_WEB = re.compile(r"(https?)://(?:[^@/]*@)?([^/@\s]+/\S+)")
_SSH = re.compile(r"ssh://(?:[^@/]*@)?([^/:@\s]+\.[^/:@\s]+)(?::[0-9]+)?/([^/~\s]\S*)")
# As scp takes it. A path from the root, or of a home, is one of the server's disk.
_SCP = re.compile(r"(?:[^@/:\s]*@)?([^/:@\s]+\.[^/:@\s]+):([^/~\s]\S*)")


def about() -> list[str]:
    """Build arguments for the labels of OCI."""
    said = [f"VERSION={project_version()}", f"REVISION={git_revision() or 'unknown'}"]
    address = published(_origin())
    return [*said, f"SOURCE={address}"] if address else said


def tag(version: str, identity: str) -> str:
    """The tag of an image: never two contents under one name, also where no registry counts."""
    return f"{version}-{identity.removeprefix('sha256:')[:12]}"


def project_version() -> str:
    """The version in `pyproject.toml`."""
    with (PROJECT / "pyproject.toml").open("rb") as stream:
        return str(tomllib.load(stream)["project"]["version"])


def published(remote: str) -> str:
    """The address at which people find a git remote's repository; without passwords.

    One that git reaches by SSH has its pages under the same host and path, where the host is a
    name of the internet's kind and not a shorthand of somebody's own configuration.

    Args:
        remote: As `git remote get-url` prints it.

    Returns:
        `https://HOST/OWNER/REPOSITORY`; empty for a folder, and for what has no such address.
    """
    if web := _WEB.fullmatch(remote):
        address = f"{web[1]}://{web[2]}"
    elif found := _SSH.fullmatch(remote) or _SCP.fullmatch(remote):
        address = f"https://{found[1]}/{found[2]}"
    else:
        return ""
    return address.rstrip("/").removesuffix(".git")


def _origin() -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(PROJECT), "remote", "get-url", "origin"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
