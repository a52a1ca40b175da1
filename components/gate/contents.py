"""What is in the files that a configuration names.

Results are found again by content, never by path. So settings that name a file have a digest beside
it. A package is compiled where nobody sees the files of the cluster; the gate, which is never taken
from a cache, fills the digests in before anything looks for a result.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.base_model.folder import check
from components.base_model.settings import BaseModelSettings
from components.fid_evaluation.settings import FIDSettings
from components.fid_evaluation.weights import VARIABLE, file_name, find_weights
from components.mask_rcnn.settings import EMBEDDED, MaskRCNNSettings
from components.retry import transient
from components.store import digest_file, digest_tree


def contents(steps: Mapping[str, Any]) -> dict[str, str]:
    """Content digests of the files and folders that settings name.

    A digest of a folder or of weights to start from that is there already stays: the step compares
    it when it reads them.

    Args:
        steps: The settings of every step as JSON has them, by its name.

    Returns:
        The digest of every step that can name a file; empty where it names none.

    Raises:
        ValueError: If a file or folder is not there, cannot be read, is none of its kind, or is not
            the one of its digest; with a line or more for every problem.
        OSError: If a file system is in trouble for a moment.
    """
    found, problems = {}, []
    for step, digest in _DIGESTS.items():
        if step in steps:
            try:
                found[step] = digest(steps[step])
            except ValueError as error:
                problems.append(f"{step}.{error}")
            except OSError as error:
                if transient(error):
                    raise
                problems.append(f"{step}: {error.filename} cannot be read ({error.strerror})")
    if problems:
        raise ValueError("\n".join(problems))
    return found


def _model(values: Any) -> str:
    settings = BaseModelSettings.model_validate(values)
    folder = settings.folder
    if folder is None or settings.digest:
        return settings.digest
    if not folder.is_dir():
        raise ValueError(
            f"source: there is no folder {folder}; a model of the hub is owner/name with its commit"
        )
    try:
        check(folder)
    except ValueError as error:
        raise ValueError(f"source: {error}") from error
    return digest_tree(folder)


def _start(values: Any) -> str:
    settings = MaskRCNNSettings.model_validate(values)
    if settings.weights in ("", EMBEDDED) or settings.digest:
        return settings.digest
    path = Path(settings.weights)
    if not path.is_file():
        raise ValueError(f"weights: there is no file {path}")
    return digest_file(path)


def _inception(values: Any) -> str:
    settings = FIDSettings.model_validate(values)
    weights = find_weights(settings)
    if weights.path is None and settings.weights:
        raise ValueError(f"weights: {weights.reason}")
    if weights.path is None and (named := os.environ.get(VARIABLE)):
        name = file_name(settings.mode)
        raise ValueError(
            f"weights: ${VARIABLE} names {named}, which is not {name} and no folder that holds it; "
            "correct it, or take it away to go without FID and KID"
        )
    return weights.digest


_DIGESTS = {"base_model": _model, "mask_rcnn": _start, "fid_evaluation": _inception}
