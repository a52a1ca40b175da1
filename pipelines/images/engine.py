"""The Docker Engine that builds, tags and pushes."""

import shutil
import subprocess

from pipelines.refusal import SERVER, Refusal


class ImagesFailed(Refusal):
    """The images could not be built, or are not there; the message says why and what to do."""

    def __init__(self, message: str) -> None:
        """Take the message."""
        super().__init__(message, SERVER)


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
            f"no Docker Engine answers ({last_line(done.stderr)}): start it, or say where it is "
            "in DOCKER_HOST; your user must be allowed to use it"
        )


def docker(*arguments: str) -> str:
    """What a command of the engine prints.

    Raises:
        ImagesFailed: If it fails.
    """
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImagesFailed(f"docker {' '.join(arguments)}: {last_line(done.stderr)}")
    return done.stdout.strip()


def identity(reference: str) -> str:
    """What the engine calls the content of an image, `sha256:...`; empty where it has none."""
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", reference],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() if done.returncode == 0 else ""


def last_line(text: str) -> str:
    """Where the reason stands in what an engine or git says."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"
