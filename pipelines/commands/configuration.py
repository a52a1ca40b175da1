"""From a preset and the command line's changes to a validated configuration."""

import argparse
from pathlib import Path

from components.fid_evaluation.weights import find_weights
from components.gate.contents import contents
from pipelines.config import OWN_COPY, Config
from pipelines.overrides import BadSettings, override
from pipelines.presets import preset
from pipelines.refusal import Refusal


def configuration(chosen: argparse.Namespace) -> Config:
    """The preset with the command line's changes applied and validated, for this machine.

    Raises:
        Refusal: With all problems.
    """
    changes = list(chosen.changes)
    if getattr(chosen, "classes", ""):
        changes.insert(0, f"data_versioning.classes={chosen.classes}")
    if base := chosen.base_model:
        changes.insert(0, OWN_COPY)
        if Path(base).is_dir():
            changes += [
                f"base_model.source={Path(base).resolve()}",
                "base_model.revision=",
            ]
        else:
            changes += _hub(base)
    try:
        config = override(preset(chosen.preset), changes)
        return override(config, _digests(config))
    except (BadSettings, ValueError) as error:
        raise Refusal(str(error)) from error


def _hub(base: str) -> list[str]:
    source, _, revision = base.partition("@")
    return [f"base_model.source={source}", f"base_model.revision={revision}"]


def _digests(config: Config) -> list[str]:
    """Digests of the files that the configuration names, so that their content decides."""
    try:
        known = contents(config.model_dump(mode="json"))
    except ValueError as error:
        raise BadSettings(str(error)) from error
    changes = [f"{step}.digest={digest}" for step, digest in known.items() if digest]
    inception = find_weights(config.fid_evaluation)
    if inception.path is not None:
        changes.append(f"fid_evaluation.weights={inception.path.resolve()}")
    return changes
