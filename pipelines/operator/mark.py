"""What the description of a schedule says, for people and to be read again.

KFP keeps neither the expression as it was meant nor its time zone, and knows nothing of changes.
What is read again comes first: a description has room for 255 characters, and values are long.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.operator.limits import DESCRIPTION
from pipelines.operator.parameters import Value, typed
from pipelines.refusal import Refusal

_MAKER = "by defectory schedule"
_READ = re.compile(
    r"at '(?P<cron>[^']*)' in (?P<zone>[\w/+?-]+)(?P<standard> \(standard time\))?"
    r"(?:, server clock (?P<clock>[\w/+?-]+))?"
    r"(?:, in place of (?P<before>[\w-]+)(?P<on> that was on)?)?(?=[,;]|$)"
)
_ROOM = len(", in place of  that was on;") + 36
"""What is kept free in every description, so that every schedule can be changed."""


@dataclass(frozen=True)
class Mark:
    """What is known of a schedule beside what KFP keeps.

    Attributes:
        cron: The expression as a person wrote it.
        zone: The time zone meant by it.
        standard: Whether summer time is left out of account.
        clock: The time zone of the server's schedules that it was moved to; empty where it is not
            known.
        before: Id of the schedule that this one was made in place of; empty for none.
        was_on: Whether that one was on. While both are there and paused, a change was interrupted.
    """

    cron: str
    zone: str
    standard: bool
    clock: str
    before: str = ""
    was_on: bool = False


def written(mark: Mark, newest: Mapping[str, Value] | None) -> str:
    """The description of a schedule.

    Args:
        mark: What is to be read again.
        newest: Values of a schedule that follows the newest version: KFP's UI shows neither the
            version nor the values of such a one. None for one with a version of its own.

    Raises:
        Refusal: If the expression is too long.
    """
    standard = " (standard time)" if mark.standard else ""
    clock = f", server clock {mark.clock}" if mark.clock else ""
    head = f"{_MAKER}: at '{mark.cron}' in {mark.zone}{standard}{clock}"
    if (over := len(head) + _ROOM - DESCRIPTION) > 0:
        raise Refusal(
            f"--cron {mark.cron!r}: KFP has room for {len(mark.cron) - over} characters of it, and "
            f"this has {len(mark.cron)}: write it shorter, with ranges and steps, as '*/5 6-18 * * "
            "mon-fri'"
        )
    if mark.before:
        head += f", in place of {mark.before}{' that was on' if mark.was_on else ''}"
    if newest is None:
        return head
    text = f"{head}; the newest version, with {typed(newest)}"
    return text if len(text) <= DESCRIPTION else f"{text[: DESCRIPTION - 3]}..."


def read(description: str | None) -> Mark | None:
    """What a description says; None for a schedule that was not made here."""
    text = description or ""
    found = _READ.search(text)
    if found is None or _MAKER not in text:
        return None
    return Mark(
        cron=found["cron"],
        zone=found["zone"],
        standard=found["standard"] is not None,
        clock=found["clock"] or "",
        before=found["before"] or "",
        was_on=found["on"] is not None,
    )
