"""Which names KFP takes, told before anything is asked of a server.

The limits are the widths of its database's columns (`apiserver/model`, `validation/length.go`). Of
a schedule KFP makes the object in Kubernetes first and the row afterwards; where the row does not
fit, the object stays, starts runs and is in no list.
"""

import re
from dataclasses import dataclass

from pipelines.refusal import Refusal

DESCRIPTION = 255
"""The most characters of a schedule's description."""

_LAST = "\uffff"
"""The last character that KFP's connection to its database knows (`charset=utf8`)."""

_KEPT = 25
_NAMELESS = "job-"
_ACCOUNT = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True)
class Kind:
    """A kind of thing that KFP keeps by its name.

    Attributes:
        word: What it is, for people, with its article.
        most: The most that a name may have.
        bytes: Whether bytes are counted, not characters.
    """

    word: str
    most: int
    bytes: bool = False


RUN = Kind("a run", 255)
SCHEDULE = Kind("a schedule", 255)
SERVICE_ACCOUNT = Kind("a service account", 253)
EXPERIMENT = Kind("an experiment", 128, bytes=True)
PIPELINE = Kind("a pipeline", 128, bytes=True)
VERSION = Kind("a version", 127, bytes=True)


def check_name(kind: Kind, name: str) -> None:
    """Check a name.

    Raises:
        Refusal: If it is empty, has blanks around it or is on several lines, is too long, or has
            characters that KFP or Kubernetes do not take.
    """
    if not name.strip():
        raise Refusal(f"{name!r} is no name of {kind.word}: give at least one letter or digit")
    if name != name.strip() or not name.isprintable():
        raise Refusal(
            f"{name!r} is no name of {kind.word}: write it in one line, without blanks around it"
        )
    size = len(name.encode()) if kind.bytes else len(name)
    if size > kind.most:
        unit = "bytes" if kind.bytes else "characters"
        raise Refusal(
            f"{name!r} is no name of {kind.word}: KFP keeps {kind.most} {unit} of one, and this "
            f"has {size}; give a shorter one"
        )
    check_text(f"{name!r} is no name of {kind.word}", name)
    if kind is SCHEDULE and beginning(name).startswith("-"):
        raise Refusal(
            f"{name!r} is no name of {kind.word}: Kubernetes wants a letter from a to z or a digit "
            "before the first hyphen"
        )
    if kind is SERVICE_ACCOUNT and not _ACCOUNT.fullmatch(name):
        raise Refusal(
            f"{name!r} is no name of {kind.word}: one has small letters, digits, hyphens and dots, "
            "and begins and ends with a letter or digit"
        )


def check_text(what: str, text: str) -> None:
    """Check that KFP's database takes a text.

    Where it does not, KFP has already made the object in Kubernetes, which starts runs and is in no
    list.

    Args:
        what: The beginning of the sentence that says what is wrong.
        text: The text.

    Raises:
        Refusal: If a character is beyond those that it knows.
    """
    if unknown := [letter for letter in text if letter > _LAST]:
        raise Refusal(
            f"{what}: KFP's database does not take {unknown[0]!r} (nor any character beyond "
            "U+FFFF, as emoji are); leave it out"
        )


def beginning(name: str) -> str:
    """What names of a schedule's objects in Kubernetes begin with, and so those of its runs.

    It is what KFP's `toSWFCRDResourceGeneratedName` makes of the schedule's name.
    """
    return (re.sub(r"[^a-z0-9-]+", "", name.lower()) or _NAMELESS)[:_KEPT]
