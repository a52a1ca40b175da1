"""Values for a pipeline's parameters, checked against the package that is on the server."""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.refusal import Refusal

Value = str | int | float | bool

_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a pipeline.

    Attributes:
        name: Its name.
        kind: KFP's type, for instance `NUMBER_INTEGER`.
        default: Its default, or None.
        required: Whether a run needs a value for it.
        description: What it means.
    """

    name: str
    kind: str
    default: Value | None
    required: bool
    description: str

    @property
    def text(self) -> str:
        """The default as it would be typed."""
        return "" if self.default is None else _typed(self.default)


def parameters(spec: Any) -> dict[str, Parameter]:
    """The parameters of a pipeline's specification, as the server or a package has it."""
    if isinstance(spec, Mapping) and "pipeline_spec" in spec:
        spec = spec["pipeline_spec"]
    if not isinstance(spec, Mapping) or "root" not in spec:
        raise Refusal(
            "the version on the server is not a compiled KFP v2 pipeline: upload one with "
            "defectory deploy"
        )
    defined = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    return {name: _parameter(name, fields) for name, fields in defined.items()}


def _parameter(name: str, fields: Mapping[str, Any]) -> Parameter:
    default = fields.get("defaultValue")
    if fields["parameterType"] == "NUMBER_INTEGER" and isinstance(default, float):
        default = int(default)  # numbers of a protobuf struct are all floats
    return Parameter(
        name=name,
        kind=fields["parameterType"],
        default=default,
        required="defaultValue" not in fields and not fields.get("isOptional", False),
        description=fields.get("description", ""),
    )


def typed(given: Mapping[str, Value]) -> str:
    """Values as they would be typed, in one line."""
    return " ".join(f"{name}={_typed(value)}" for name, value in sorted(given.items()))


def values(changes: Iterable[str], known: Mapping[str, Parameter]) -> dict[str, Value]:
    """Parse `NAME=VALUE` and check name and type.

    Raises:
        Refusal: With all problems, one a line.
    """
    given: dict[str, Value] = {}
    problems: list[str] = []
    for change in changes:
        name, equals, text = change.partition("=")
        name = name.strip()
        if not equals or not name:
            problems.append(f"--set {change}: write it as NAME=VALUE")
        elif name not in known:
            near = _near(name, known)
            problems.append(f"--set {change}: the pipeline has no parameter {name!r}{near}")
        elif name in given:
            problems.append(f"--set {change}: {name} is given twice")
        else:
            try:
                given[name] = _parsed(text, known[name].kind)
            except ValueError as error:
                problems.append(f"--set {change}: {error}")
    if problems:
        raise Refusal("\n".join(problems))
    return given


def require_all(given: Mapping[str, Value], known: Mapping[str, Parameter]) -> None:
    """Check that no parameter without a default is left out.

    Raises:
        Refusal: With all that are.
    """
    missing = [name for name, one in known.items() if one.required and name not in given]
    if missing:
        raise Refusal(
            "\n".join(f"--set {name}=VALUE is needed: it has no default" for name in missing)
        )


def _typed(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _near(name: str, known: Mapping[str, Parameter]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(known))}"


def _parsed(text: str, kind: str) -> Value:
    if kind == "STRING":
        return text
    if kind == "BOOLEAN":
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise ValueError(f"{text!r} is neither true nor false")
    if kind == "NUMBER_INTEGER":
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a whole number") from None
    if kind == "NUMBER_DOUBLE":
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a number") from None
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError(f"{text!r} is not a finite number")
        return number
    value: Any
    try:
        value = json.loads(text)
    except ValueError:
        raise ValueError(f"{text!r} is not JSON, and the parameter is a {kind}") from None
    return value
