"""Names of versions: the git revision, and what else decides what is in the package."""

import hashlib
import re
from pathlib import Path

from pipelines.refusal import Refusal
from pipelines.revision import git_revision

_DIRTY = "-dirty"


def version_name(package: Path, *, preset: str, dirty: bool) -> str:
    """The name of the version that a package becomes.

    Args:
        package: The compiled package.
        preset: Name of the preset where it is not the profile's own, else empty.
        dirty: Whether a changed working tree is allowed; its name then ends in a digest of the
            package, so that two of them are not taken for one.

    Raises:
        Refusal: If the code is in no git checkout, or is changed and that is not allowed.
    """
    revision = git_revision()
    if not revision:
        raise Refusal(
            "the code is in no git checkout, so its revision cannot name the version: deploy from "
            "a clone, or give --version NAME"
        )
    clean = revision.removesuffix(_DIRTY)
    name = clean[:12] if re.fullmatch(r"[0-9a-f]{40}", clean) else clean
    if preset:
        name += f"-{preset}"
    if clean != revision:
        if not dirty:
            raise Refusal(
                "the code differs from what is committed (git status), so its revision would not "
                "say what ran: commit, or give --dirty to mark the version"
            )
        name += f"{_DIRTY}-{hashlib.sha256(package.read_bytes()).hexdigest()[:8]}"
    return name
