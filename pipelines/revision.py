"""Which code this is."""

import subprocess
from pathlib import Path


def git_revision() -> str:
    """The commit of the project's code, `-dirty` when changed, or empty outside a checkout."""
    code = Path(__file__).resolve().parent
    command = ["git", "-C", str(code), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def unchanged() -> bool:
    """Whether the project's files are those of its commit, with none that git does not know."""
    command = ["git", "-C", str(Path(__file__).resolve().parents[1]), "status", "--porcelain"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0 and not done.stdout.strip()
