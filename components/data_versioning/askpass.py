#!/usr/bin/env python3
"""Answers git when it asks for a user name or a password; `GIT_ASKPASS` names this program.

git runs it with its question, DVC's own git does so too, and neither has to be installed or set up
for that. The answer comes from one environment variable, so it is in no argument and in no file:

    DEFECTORY_GIT_CREDENTIALS    addresses with a user name and a password or token, as git's own
                                 store has them: https://USER:TOKEN@HOST, several separated by
                                 blanks; characters such as @ and : of a password as %40 and %3A

Only the host that an address names is answered, and only over the address's own scheme.
"""

import os
import re
import sys
from urllib.parse import SplitResult, unquote, urlsplit

CREDENTIALS = "DEFECTORY_GIT_CREDENTIALS"

_QUESTION = re.compile(r"(Username|Password) for '(.+)': ?")
_PORTS = {"http": 80, "https": 443}


def answer(question: str, known: str) -> str | None:
    """What to tell git.

    Args:
        question: `Username for 'https://HOST': ` or `Password for 'https://USER@HOST': `.
        known: The addresses.

    Returns:
        The user name or the password; None where no address is for this host and user.
    """
    asked = _QUESTION.fullmatch(question)
    if asked is None:
        return None
    place = urlsplit(asked[2])
    for address in known.split():
        one = urlsplit(address)
        if one.username is None or one.password is None or _host(one) != _host(place):
            continue
        user = unquote(one.username)
        if asked[1] == "Username":
            return user
        if place.username is None or unquote(place.username) == user:
            return unquote(one.password)
    return None


def _host(address: SplitResult) -> tuple[str, str | None, int | None]:
    return address.scheme, address.hostname, address.port or _PORTS.get(address.scheme)


def main() -> int:
    """Print the answer; exit with 1 where there is none."""
    found = answer(" ".join(sys.argv[1:]), os.environ.get(CREDENTIALS, ""))
    if found is None:
        return 1
    sys.stdout.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
