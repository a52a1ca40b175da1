"""Which names KFP takes, told before anything is asked of a server.

The limits are the widths of its database's columns (`apiserver/model`, `validation/length.go`). Of
a schedule KFP makes the object in Kubernetes first and the row afterwards; where the row does not
fit, the object stays, starts runs and is in no list.
"""

from dataclasses import dataclass

from pipelines.refusal import Refusal

DESCRIPTION = 255
"""The most characters of a schedule's description."""


@dataclass(frozen=True)
class Kind:
    """A kind of thing that KFP keeps by its name.

    Attributes:
        word: What it is, for people.
        most: The most that a name may have.
        bytes: Whether bytes are counted, not characters.
    """

    word: str
    most: int
    bytes: bool = False


RUN = Kind("run", 255)
SCHEDULE = Kind("schedule", 255)
SERVICE_ACCOUNT = Kind("service account", 253)
EXPERIMENT = Kind("experiment", 128, bytes=True)
PIPELINE = Kind("pipeline", 128, bytes=True)
VERSION = Kind("version", 127, bytes=True)


def check_name(kind: Kind, name: str) -> None:
    """Check a name.

    Raises:
        Refusal: If it is empty, has blanks around it or is on several lines, or is too long.
    """
    if not name.strip():
        raise Refusal(f"{name!r} is no name of a {kind.word}: give at least one letter or digit")
    if name != name.strip() or not name.isprintable():
        raise Refusal(
            f"{name!r} is no name of a {kind.word}: write it in one line, without blanks around it"
        )
    size = len(name.encode()) if kind.bytes else len(name)
    if size > kind.most:
        unit = "bytes" if kind.bytes else "characters"
        raise Refusal(
            f"{name!r} is no name of a {kind.word}: KFP keeps {kind.most} {unit} of one, and this "
            f"has {size}; give a shorter one"
        )
