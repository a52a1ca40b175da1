"""Conditions on what KFP's lists give."""

import json
from collections.abc import Sequence
from urllib.parse import quote

Condition = tuple[str, str, str]
"""Operation, key and value."""


def predicates(conditions: Sequence[Condition]) -> str:
    """A filter for things that fulfil all conditions.

    The server decodes it once more than HTTP does (`apiserver/server/list_request_util.go`), so
    that without the quotes a plus became a blank, and a per cent sign an error.
    """
    wanted = [
        {"operation": operation, "key": key, "stringValue": value}
        for operation, key, value in conditions
    ]
    return quote(json.dumps({"predicates": wanted}), safe="")


def called(name: str) -> str:
    """A filter for things of a name; the database may find others that are alike too."""
    return predicates([("EQUALS", "display_name", name)])
