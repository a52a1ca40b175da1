"""The frozen, validated settings that every step takes."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of every step's settings: immutable, no unknown fields, finite numbers only.

    A step's settings live in its folder's `settings.py`. Every field has a description, a unit
    where it has one, and a range; `defectory run --set step.field=value` overrides it.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )
