"""The build machine's way to a package index, given as build secrets, which no image keeps."""

import os
from pathlib import Path

from pipelines.images.engine import ImagesFailed

_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def secrets(pip: str, certificates: str) -> list[str]:
    """Options of the engine that hand a build its secrets (images/index reads them).

    Args:
        pip: pip configuration; none when empty.
        certificates: Bundle of certificates to trust; when empty, the file that `PIP_CERT`,
            `SSL_CERT_FILE` or `REQUESTS_CA_BUNDLE` name, if any does.

    Raises:
        ImagesFailed: If a file is not there.
    """
    source = "--certificates"
    if not certificates:
        source = next((one for one in _CERTIFICATES if os.environ.get(one)), "")
        certificates = os.environ.get(source, "")
    options = []
    for kind, said, path in (("pip", "--pip", pip), ("ca", source, certificates)):
        if path and not Path(path).is_file():
            raise ImagesFailed(f"{said} names {path}, which is no file: name one that is there")
        if path:
            options += ["--secret", f"id={kind},src={Path(path).resolve()}"]
    return options
