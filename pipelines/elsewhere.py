"""Data elsewhere: the address of a `.dvc` file in a git repository that others can reach too."""

import re

from components.data_versioning.address import Address
from pipelines.refusal import Refusal

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_TOKEN = re.compile(r"gh[pousr]_|github_pat_|glpat-")


def elsewhere(data: str) -> Address | None:
    """The address that data is; None where it is none, or one that only this machine can reach."""
    address = Address.parse(data)
    return address if address and address.remote else None


def is_address(data: str) -> bool:
    """Whether data is the address of a `.dvc` file in a git repository elsewhere."""
    return elsewhere(data) is not None


def refuse_secrets(url: str) -> None:
    """Make sure that an address, with its scheme or without, holds no password.

    Raises:
        Refusal: If it does; without the password.
    """
    authority = _SCHEME.sub("", url, count=1).partition("/")[0]
    user = authority.rpartition("@")[0]
    if ":" in user or _TOKEN.match(user):
        host = url.rpartition("@")[2]
        raise Refusal(
            f"--data ...@{host}: leave the password out of the address, every run shows it; git "
            "here has credential helpers for it, and the cluster a Secret (see infra/README.md)"
        )
