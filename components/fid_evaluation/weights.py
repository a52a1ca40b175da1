"""Where the Inception weights are, without importing anything heavy and without a download."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.fid_evaluation.settings import FIDSettings
from components.store import digest_file

VARIABLE = "CLEANFID_WEIGHTS"
"""Environment variable with the file, or with the folder that holds it."""

TORCHSCRIPT = "inception-2015-12-05.pt"
STATE = "pt_inception-2015-12-05-6726825d.pth"

PUBLISHED = {TORCHSCRIPT: "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"}
"""SHA-256 of the files as published, as several public projects pin it."""

SOURCE = {
    TORCHSCRIPT: "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/"
    + TORCHSCRIPT,
    STATE: "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/" + STATE,
}


@dataclass(frozen=True)
class Weights:
    """The file of weights, or why there is none.

    Attributes:
        path: The file.
        digest: Its SHA-256, hexadecimal.
        published: Whether it is the published file; None where no digest of that is known.
        reason: Why there is none; empty where there is one.
    """

    path: Path | None
    digest: str
    published: bool | None
    reason: str


def file_name(mode: str) -> str:
    """Name of the file that a mode of clean-fid needs."""
    return STATE if mode == "legacy_pytorch" else TORCHSCRIPT


def find_weights(settings: FIDSettings) -> Weights:
    """Look for the file that the settings' mode needs.

    The places, in this order: `settings.weights`; the file or folder that `$CLEANFID_WEIGHTS`
    names; the folder where clean-fid itself keeps it.

    Raises:
        ValueError: If the settings have a digest and the file another.
    """
    name = file_name(settings.mode)
    path = next((place for place in _places(settings, name) if place.is_file()), None)
    if path is None:
        wanted = f"{settings.weights} is not a file. " if settings.weights else ""
        return Weights(
            None,
            "",
            None,
            f"{wanted}The Inception weights were not found, and nothing is ever downloaded here. "
            f"Supply the file {name} (from {SOURCE[name]}) and run again with "
            "--set fid_evaluation.weights=PATH, PATH being where it lies; or put it into the "
            f"folder that ${VARIABLE} names.",
        )
    digest = digest_file(path)
    if settings.digest and digest != settings.digest.removeprefix("sha256:"):
        raise ValueError(
            f"digest: {settings.digest} is not that of {path}, which has {digest}; give the file "
            "that the digest belongs to, or leave the digest empty"
        )
    known = PUBLISHED.get(name)
    return Weights(path, digest, None if known is None else digest == known, "")


def _places(settings: FIDSettings, name: str) -> list[Path]:
    if settings.weights:
        return [Path(settings.weights)]
    named = Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None
    own = (
        Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch")) / "hub" / "checkpoints"
        if name == STATE
        else Path(tempfile.gettempdir())
    )
    return [*([named, named / name] if named else []), own / name]
