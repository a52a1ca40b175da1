"""Addresses of `.dvc` files in git repositories elsewhere: `https://host/owner/repo.git:data.dvc`."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

_FORM = re.compile(r"(?P<repository>.+):(?P<file>[^:]+\.dvc)")


@dataclass(frozen=True)
class Address:
    """Where a `.dvc` file is kept.

    Attributes:
        repository: What git clones, a URL or a folder.
        file: The file's path in it.
    """

    repository: str
    file: PurePosixPath

    @classmethod
    def parse(cls, data: str) -> Self | None:
        """The address that `data` is; None where it is a file here, or no address."""
        found = _FORM.fullmatch(data)
        if found is None or Path(data).exists():
            return None
        address = cls(found["repository"], PurePosixPath(found["file"]))
        return address if address.remote or Path(address.repository).is_dir() else None

    @property
    def remote(self) -> bool:
        """Whether other machines can reach the repository too."""
        return "://" in self.repository or "@" in self.repository
