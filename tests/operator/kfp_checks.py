"""What KFP's API accepts: bodies as its models say, packages, cron expressions."""

import email.parser
import email.policy
import json
import re
import unicodedata
from functools import cache
from typing import Any
from urllib.parse import unquote_plus

import kfp_server_api
import yaml


class Refused(Exception):
    """An answer of the backend that is an error."""

    def __init__(self, status: int, message: str, form: str = "grpc") -> None:
        super().__init__(message)
        self.status, self.form = status, form


def model(body: bytes, name: str) -> dict[str, Any]:
    """A request's body, if it is what the API's model says."""
    fields = json.loads(body)
    check_fields(fields, name)
    return fields  # type: ignore[no-any-return]


def checked(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """An answer, after a check that it is what the API's model says."""
    check_fields(fields, name)
    return dict(fields)


def check_fields(fields: Any, name: str) -> None:
    model = getattr(kfp_server_api, name)
    if not isinstance(fields, dict):
        raise Refused(400, f"{name}: {fields!r} is no object")
    unknown = set(fields) - set(model.attribute_map.values())
    if unknown:
        raise Refused(400, f"{name} has no {sorted(unknown)}")
    simple = {"str": str, "bool": bool, "int": int, "datetime": str, "object": dict}
    for attribute, kind in model.openapi_types.items():
        value = fields.get(model.attribute_map[attribute])
        if value is None:
            continue
        if kind in simple:
            if not isinstance(value, simple[kind]) or (kind == "int" and value is True):
                raise Refused(400, f"{name}.{attribute}: {value!r} is no {kind}")
        elif kind.startswith("list["):
            for one in value:
                check_fields(one, kind[5:-1])
        elif hasattr(kfp_server_api, kind):
            if isinstance(value, str):
                if value not in getattr(kfp_server_api, kind).allowable_values:
                    raise Refused(400, f"{name}.{attribute}: {value!r} is no {kind}")
            else:
                check_fields(value, kind)


def need(fields: dict[str, Any], name: str) -> None:
    if not fields.get(name):
        raise Refused(400, f"{name} cannot be empty")


def check_length(column: str, text: str | bytes, most: int) -> None:
    """As MySQL in its strict mode: what does not fit into a column is no row."""
    if len(text) > most:
        raise Refused(500, f"Failed to store it to table: Data too long for column '{column}'")


def check_letters(text: str) -> None:
    """As MySQL on a connection with `charset=utf8`, which has letters of three bytes at most."""
    if any(letter > "\uffff" for letter in text):
        raise Refused(500, "Error 3988 (HY000): Conversion from collation is impossible")


def check_generated(name: str) -> None:
    """As Kubernetes looks at `generateName`, which KFP makes of a schedule's name."""
    if re.sub(r"[^a-z0-9-]+", "", name.lower()).startswith("-"):
        raise Refused(500, f"metadata.generateName: Invalid value: {name!r}")


def decoded_again(text: str) -> str:
    """As the server reads a filter, which HTTP has decoded once already."""
    if bad := re.search(r"%(?![0-9A-Fa-f]{2}).{0,2}", text):
        raise Refused(400, f"failed to parse valid filter: invalid URL escape {bad[0]!r}")
    return unquote_plus(text)


def same(one: str, other: str) -> bool:
    """As MySQL's usual collation: case and accents make no difference."""
    return _folded(one) == _folded(other)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


@cache
def read_documents(package: str) -> dict[str, Any]:
    """A package as the API has it: its specification, and that of the platform."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec, *platform = yaml.load_all(package, Loader=loader)
    return {"pipeline_spec": spec, "platform_spec": platform[0]} if platform else spec


def struct(value: Any) -> Any:
    """A value as it comes back from a protobuf struct, in which every number is a float."""
    if isinstance(value, dict):
        return {key: struct(one) for key, one in value.items()}
    if isinstance(value, list):
        return [struct(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def multipart(kind: str, body: bytes) -> str:
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    for part in message.iter_parts():
        if part.get_param("name", header="content-disposition") == "uploadfile":
            return str(part.get_payload(decode=True).decode())
    raise Refused(400, "Failed to read pipeline from file", "upload")


def check_cron(expression: str) -> None:
    """As robfig/cron 1.2: six fields, seconds first, numbers in range."""
    words = expression.split()
    ranges = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
    if len(words) != 6:
        raise Refused(400, f"Expected 6 fields, found {len(words)}: {expression}")
    for word, (low, high) in zip(words, ranges, strict=True):
        for part in word.split(","):
            match = re.fullmatch(r"(?:[*?]|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
            bounds = [int(one) for one in match.groups()[:2] if one] if match else [-1]
            if any(not low <= one <= high for one in bounds) or bounds != sorted(bounds):
                raise Refused(400, f"Schedule cron is not a supported format: {part}")
