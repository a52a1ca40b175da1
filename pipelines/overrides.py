"""`--set step.field=value`: changes to a configuration, checked all at once."""

import difflib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from components.settings import Settings, sentences
from pipelines.config import Config


class BadSettings(Exception):
    """Settings that cannot be used; the message has one line for every problem."""


def override(config: Config, changes: Iterable[str]) -> Config:
    """The configuration with changes of the form `step.field=value` applied.

    Values are read as JSON where they are JSON (`0.1`, `true`), lists may be written with commas
    (`1,2`), and everything else is text.

    Raises:
        BadSettings: With all problems: unknown names with the nearest ones, values out of range.
    """
    fields: dict[str, Any] = config.model_dump(mode="json")
    problems: list[str] = []
    for change in changes:
        name, equals, value = change.partition("=")
        step, _, field = name.strip().partition(".")
        if not equals or not field:
            problems.append(f"--set {change}: write it as step.field=value")
        elif step not in fields:
            problems.append(f"--set {change}: no step {step!r}{_nearest(step, fields)}")
        elif field not in fields[step]:
            problems.append(
                f"--set {change}: {step} has no field {field!r}{_nearest(field, fields[step])}"
            )
        else:
            fields[step][field] = _parsed(value, like=fields[step][field])
    try:
        changed = Config.model_validate(fields)
    except ValidationError as error:
        problems += sentences(error)
    if problems:
        raise BadSettings("\n".join(problems))
    return changed


def describe(config: Config) -> list[tuple[str, str, str]]:
    """Every field as (step.field, value, what it means)."""
    rows = []
    for step in type(config).model_fields:
        settings: Settings = getattr(config, step)
        for field, about in type(settings).model_fields.items():
            value = json.dumps(settings.model_dump(mode="json")[field])
            meaning = " ".join((about.description or "").split())
            rows.append((f"{step}.{field}", value, meaning))
    return rows


def _parsed(value: str, like: object) -> object:
    if isinstance(like, str):
        return value
    if isinstance(like, list) and not value.lstrip().startswith("["):
        return [_parsed(part, like=like[0] if like else "") for part in value.split(",") if part]
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
