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
    """The preset with the command line's changes applied and validated.

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
        return override(preset(chosen.preset), changes)
    except (BadSettings, ValueError) as error:
        raise Refusal(str(error)) from error


def prepared(config: Config) -> Config:
    """A configuration with the digests of the files of this machine that it names.

    Raises:
        Refusal: With all problems.
    """
    try:
        return override(config, _digests(config))
    except (BadSettings, ValueError, OSError) as error:
        raise Refusal(str(error)) from error


def _hub(base: str) -> list[str]:
    source, _, revision = base.partition("@")
    return [f"base_model.source={source}", f"base_model.revision={revision}"]


def _digests(config: Config) -> list[str]:
    """Digests of the files that the configuration names, so that their content decides."""
    known = contents(config.model_dump(mode="json"))
    changes = [f"{step}.digest={digest}" for step, digest in known.items() if digest]
    # Containers see files where they really are (pipelines/shown.py).
    places = {
        "base_model.source": config.base_model.folder,
        "mask_rcnn.weights": Path(config.mask_rcnn.weights) if known["mask_rcnn"] else None,
        "fid_evaluation.weights": find_weights(config.fid_evaluation).path,
    }
    return changes + [f"{one}={path.resolve()}" for one, path in places.items() if path]
