"""What the containers of a run are shown of this machine, beside the run's own folders.

Everything is shown at the path that it has here, links in it followed: what a task says of a path
has not to be translated.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from components.base_model.settings import EMBEDDED
from pipelines.config import Config
from pipelines.refusal import Refusal

_HANDED_ON = ("HF_", "HUGGING_FACE_", "OMP_", "MKL_", "AWS_")
_PROXIES = {"http_proxy", "https_proxy", "no_proxy", "all_proxy"}
_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
# Of what is handed on, the names of places of this machine, which a container has not by itself.
_PLACES = ("_HOME", "_CACHE", "_PATH", "_FILE", "_BUNDLE")


class NotShown(Refusal):
    """Something of this machine cannot be shown to a container; the message says what to do."""


@dataclass(frozen=True)
class Shown:
    """What tasks see.

    Attributes:
        writable: Existing folders that they may write to.
        readable: Existing files and folders that they only read.
        environment: Variables of theirs.
    """

    writable: tuple[Path, ...]
    readable: tuple[Path, ...]
    environment: Mapping[str, str]


def shown(config: Config, environment: Mapping[str, str]) -> Shown:
    """What the tasks of a configuration need of this machine.

    Args:
        config: The configuration.
        environment: The variables of this process.

    Raises:
        NotShown: If the hub's cache is needed and cannot be made.
    """
    certificates = {
        name: Path(environment[name]).resolve()
        for name in _CERTIFICATES
        if environment.get(name) and Path(environment[name]).exists()
    }
    caches, token = _hub() if _from_hub(config) else ({}, {})
    files = certificates | token
    variables = {name: str(path) for name, path in (files | caches).items()}
    return Shown(
        writable=tuple(caches.values()),
        readable=(*_named(config), *files.values()),
        environment=_handed_on(environment) | variables,
    )


def check_shown(
    config: Config,
    environment: Mapping[str, str],
    writable: Sequence[Path],
    readable: Sequence[Path],
) -> Shown:
    """What the tasks of a configuration see of this machine, if they may use it.

    Args:
        config: The configuration.
        environment: The variables of this process.
        writable: Existing folders of the run, which they write to.
        readable: Existing folders of the run, which they only read.

    Raises:
        NotShown: If something cannot be shown, or not be used there.
    """
    seen = shown(config, environment)
    seen = replace(
        seen,
        writable=(*writable, *seen.writable),
        readable=(*readable, *seen.readable),
    )
    check_open(seen.writable, write=True)
    check_open([one for path in seen.readable for one in (path, *path.rglob("*"))], write=False)
    return seen


def check_open(paths: Sequence[Path], *, write: bool) -> None:
    """Refuse what root may use here, but not in a container, where it has no capabilities.

    Others may use there what they may use here.

    Args:
        paths: Existing files and folders.
        write: Whether tasks write to them.

    Raises:
        NotShown: If one belongs to another user and is closed to root without capabilities.
    """
    if os.getuid() != 0:
        return
    for path in paths:
        found = path.stat()
        needed = 0o4 | (0o1 if path.is_dir() else 0) | (0o2 if write else 0)
        if found.st_uid == 0:
            allowed = found.st_mode >> 6
        elif found.st_gid in {os.getgid(), *os.getgroups()}:
            allowed = found.st_mode >> 3
        else:
            allowed = found.st_mode
        if needed & ~allowed:
            raise NotShown(
                f"{path} belongs to user {found.st_uid}, whose rights (mode "
                f"{found.st_mode & 0o777:03o}) do not let others {'write' if write else 'read'}; "
                "containers run as you, root, but without root's right to use what is others'. "
                "Run as that user, or change the owner or the mode"
            )


def _named(config: Config) -> list[Path]:
    """Files and folders of this machine that a configuration names."""
    named = [config.mask_rcnn.weights, config.fid_evaluation.weights, config.base_model.source]
    files = [Path(one).expanduser() for one in named if one not in ("", EMBEDDED)]
    return [one for one in files if one.exists()]


def _from_hub(config: Config) -> bool:
    base = config.base_model
    return base.source != EMBEDDED and base.folder is None


def _hub() -> tuple[dict[str, Path], dict[str, Path]]:
    """The hub's caches, made where they are not there, and its token, by their variables.

    A task on a read-only root would otherwise download gigabytes into its /tmp, which is memory,
    and again with every run.
    """
    from huggingface_hub import constants

    caches = {}
    for name, place in (
        ("HF_HUB_CACHE", constants.HF_HUB_CACHE),
        ("HF_XET_CACHE", constants.HF_XET_CACHE),
    ):
        path = Path(place).expanduser().resolve()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotShown(
                f"{name}: the folder {path}, where models of the hub are kept, cannot be made "
                f"({error}); set {name} to one that you may write to"
            ) from error
        caches[name] = path
    token = Path(constants.HF_TOKEN_PATH)
    return caches, {"HF_TOKEN_PATH": token.resolve()} if token.is_file() else {}


def _handed_on(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.lower() in _PROXIES or (name.startswith(_HANDED_ON) and not name.endswith(_PLACES))
    }
