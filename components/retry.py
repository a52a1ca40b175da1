"""Trying again what failed for a passing reason: a network, a server, a file system in trouble.

KFP's own retries do not cover this: by default its backend tries again when a pod was lost, not
when the program in it failed. An error of the program or of its input stays one however often it
is tried, so only errors that are known to pass are tried again.

Environment variables, set by whoever runs the pipeline:

    DEFECTORY_TRIES    how often a step is tried at most, 3 by default
    DEFECTORY_PAUSE    seconds before the second try, 10 by default; doubled before every other
"""

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from components.progress import say

TRIES = "DEFECTORY_TRIES"
PAUSE = "DEFECTORY_PAUSE"

_LONGEST_PAUSE = 300.0
_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_NUMBERS = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EIO,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETRESET,
        errno.ESTALE,
        errno.ETIMEDOUT,
        socket.EAI_AGAIN,
    }
)
_NAMES = frozenset(
    {
        "aiohttp.client_exceptions.ClientConnectionError",
        "aiohttp.client_exceptions.ClientPayloadError",
        "botocore.exceptions.HTTPClientError",
        "http.client.IncompleteRead",
        "httpx2.TransportError",
        "requests.exceptions.ChunkedEncodingError",
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "urllib3.exceptions.ProtocolError",
        "urllib3.exceptions.TimeoutError",
    }
)
"""Errors of packages that need not be installed here."""

T = TypeVar("T")


class Passing(Exception):
    """An error that may pass, where the original one is in another process."""


def transient(error: BaseException) -> bool:
    """Whether an error, or the one that it names as its cause, may pass by itself."""
    if isinstance(error, Passing | ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno in _NUMBERS:
        return True
    kinds = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    if kinds & _NAMES or _status(error) in _STATUSES:
        return True
    # urllib names its cause another way.
    causes = (error.__cause__, getattr(error, "reason", None))
    return any(isinstance(one, BaseException) and transient(one) for one in causes)


def patiently(attempt: Callable[[], T]) -> T:
    """Call `attempt`, again after a pause while it fails for a passing reason.

    Raises:
        Exception: What the last try raised.
    """
    tries = max(1, int(os.environ.get(TRIES, "3")))
    pause = float(os.environ.get(PAUSE, "10"))
    for number in range(1, tries):
        try:
            return attempt()
        except Exception as error:
            if not transient(error):
                raise
            wait = min(pause * 2 ** (number - 1), _LONGEST_PAUSE)
            say(f"try {number} of {tries} failed ({error}); tries again in {wait:g} s")
            time.sleep(wait)
    return attempt()


@contextmanager
def entered(manager: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
    """Enter a context manager patiently; what happens inside the context is not tried again."""
    with ExitStack() as stack:
        yield patiently(lambda: stack.enter_context(manager()))


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of urllib, requests or httpx2 carries."""
    answer = getattr(error, "response", None)
    for value in (getattr(answer, "status_code", None), getattr(error, "code", None)):
        if isinstance(value, int):
            return value
    return None
