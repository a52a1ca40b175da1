"""Posts JSON to the webhook.

Its address is a secret: chat systems put the key into the path. It comes from the environment, and
neither it nor what the other side answers is ever written anywhere.
"""

import json
import os
from collections.abc import Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from components.progress import say
from components.retry import patiently

WEBHOOK = "DEFECTORY_WEBHOOK"
_TIMEOUT = 10.0


def post(fields: Mapping[str, object]) -> bool:
    """Post, if a webhook is configured; that it cannot be reached costs the run nothing.

    Args:
        fields: What to tell.

    Returns:
        Whether it was told.
    """
    address = os.environ.get(WEBHOOK, "").strip()
    if not address:
        return False
    if not _is_http(address):
        say(f"the webhook was not told: {WEBHOOK} is not an http or https address")
        return False
    text = f"defectory run {fields.get('run')}: {fields.get('state')}"
    request = Request(  # noqa: S310 - the scheme was checked
        address,
        data=json.dumps({"text": text, **fields}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )

    def send() -> None:
        try:
            with urlopen(request, timeout=_TIMEOUT):  # noqa: S310
                pass
        except HTTPError as error:
            raise _Refused(error.code) from None
        except (OSError, HTTPException, ValueError) as error:
            raise _Unreachable(type(error).__name__) from None

    try:
        patiently(send)
    except (_Refused, _Unreachable) as error:
        say(f"the webhook was not told: {error}")
        return False
    say("the webhook was told")
    return True


def _is_http(address: str) -> bool:
    try:
        return urlsplit(address).scheme in ("http", "https")
    except ValueError:
        return False  # As `http://[`, in which a number of the host never ends.


class _Refused(Exception):
    """It answered with an error."""

    def __init__(self, code: int) -> None:
        super().__init__(f"it answered with status {code}")
        self.code = code


class _Unreachable(ConnectionError):
    """It did not answer."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"it cannot be reached ({kind})")
