"""Where the build of the detection image takes detectron2's source from."""

import re
import shutil
import subprocess

from pipelines.images.engine import ImagesFailed, last_line
from pipelines.images.recipes import recipe

WITHOUT = "none"
"""What is given instead of a repository to leave detectron2 out."""

_REVISION = re.compile(r"^ARG DETECTRON2_REVISION=([0-9a-f]{40})$", re.MULTILINE)


def detectron2(source: str) -> list[str]:
    """Build arguments that say where detectron2 comes from.

    Args:
        source: Folder or bare repository that has the commit that the Dockerfile names; `none`;
            or empty for its own repository.

    Raises:
        ImagesFailed: If it has not, or if it cannot be handed to the engine.
    """
    if source in ("", WITHOUT):
        return [f"DETECTRON2={source}"] if source else []
    (revision,) = _REVISION.findall(recipe("detection").read_text())
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
            f"({last_line(packed.stderr.decode())}); clone it anew, or leave detectron2 out with "
            f"--detectron2 {WITHOUT}"
        )
    done = subprocess.run(
        ["docker", "import", "-", reference], input=packed.stdout, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise ImagesFailed(f"docker import - {reference}: {last_line(done.stderr.decode())}")
    return [f"DETECTRON2={reference}"]
