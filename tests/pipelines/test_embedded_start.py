"""The hypernetwork's embedded start belongs to the embedded base model."""

import argparse
from pathlib import Path

import pytest

from components.base_model.settings import EMBEDDED
from pipelines.commands.configuration import configuration
from pipelines.overrides import BadSettings, override
from pipelines.presets import preset
from pipelines.refusal import Refusal

COMMIT = "a" * 40


def chosen(base: str, *changes: str) -> argparse.Namespace:
    return argparse.Namespace(
        command="run", preset="quickstart", changes=list(changes), base_model=base, data=None
    )


def test_the_quickstart_starts_from_it_on_the_embedded_model_alone(tmp_path: Path) -> None:
    assert configuration(chosen("")).hypernetwork.start == EMBEDDED
    assert configuration(chosen(f"owner/name@{COMMIT}")).hypernetwork.start == "copy"
    assert configuration(chosen(str(tmp_path))).hypernetwork.start == "copy"


def test_another_model_with_it_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(Refusal, match="set hypernetwork.start=copy"):
        configuration(chosen(f"owner/name@{COMMIT}", "hypernetwork.start=embedded"))
    changed = ["base_model.source=owner/name", f"base_model.revision={COMMIT}"]
    with pytest.raises(BadSettings, match=r"base_model.source is 'owner/name'"):
        override(preset("quickstart"), changed)
