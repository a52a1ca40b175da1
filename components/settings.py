"""The frozen, validated settings that every step takes."""

import json
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError


class Settings(BaseModel):
    """Base of every step's settings: immutable, no unknown fields, finite numbers only.

    A step's settings live in its folder's `settings.py`. Every field has a description, a unit
    where it has one, and a range; `defectory run --set step.field=value` overrides it.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    PLACES: ClassVar[dict[str, str]] = {}
    """Fields that say where a file lies, each with the field that has its content's digest."""

    @classmethod
    def read(cls, baked: str, **changes: Any) -> Self:
        """The settings that a pipeline package holds, with what a person changed for this run.

        Args:
            baked: The settings as JSON.
            changes: Values of fields that are parameters of the pipeline.

        Raises:
            ValueError: If a value is out of its range.
        """
        return cls.model_validate({**json.loads(baked), **changes})

    def content(self) -> str:
        """The settings as canonical JSON, for a result's key.

        Where a file lies is left out when the digest of its content is known, so that a moved
        file is the same and a changed one another.
        """
        known = {place for place, digest in self.PLACES.items() if getattr(self, digest)}
        return self.model_dump_json(exclude=known)


def sentences(error: ValidationError) -> list[str]:
    """What is wrong with settings, one sentence a field, without pydantic's own words around it."""
    return [_sentence(one) for one in error.errors()]


def _sentence(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    shown = "" if isinstance(given, dict | Settings) else f" (given: {json.dumps(given)})"
    return f"{where}: {message}{shown}" if where else f"{message}"
