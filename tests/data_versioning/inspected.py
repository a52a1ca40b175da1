"""What is found in a folder of photos, and what is wrong with it."""

from pathlib import Path

import pytest

from components.data_versioning.inspect import inspect, survey
from components.data_versioning.problems import BadData
from components.data_versioning.settings import DataSettings


def problems_of(folder: Path) -> dict[str, str]:
    """The problem of each file of a folder that is refused."""
    with pytest.raises(BadData) as caught:
        inspect(folder, DataSettings(), (1.0,), 0)
    return {one.file: one.problem for one in caught.value.problems}


def defects(folder: Path, file: str) -> list[tuple[str, int, tuple[int, int, int, int]]]:
    """(class, pixels, box) of each defect of a photo."""
    found = survey(folder, DataSettings())
    (fact,) = [one for one in found.facts if one.entry.file == file]
    return [(found.reader.classes[one.label], one.area, one.bounds) for one in fact.defects]
