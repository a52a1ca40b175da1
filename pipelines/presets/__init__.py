"""Presets: one file each, a whole configuration with the reasons for its values."""

from importlib import import_module

from pipelines.config import Config

NAMES = ("smoke", "quickstart", "paper")


def preset(name: str) -> Config:
    """The configuration of a preset.

    Raises:
        ValueError: If there is no preset of this name.
    """
    if name not in NAMES:
        raise ValueError(f"preset {name!r} does not exist; choose one of {', '.join(NAMES)}")
    config: Config = import_module(f"pipelines.presets.{name}").CONFIG
    return config
