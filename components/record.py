"""What a run knows of a finished step, and of the steps that its result came from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from components.store import RECORD


@dataclass(frozen=True)
class Record:
    """What a run knows of one finished step.

    Attributes:
        step: Name of the step, that of its folder.
        label: Name of this task of the run, for people: `dreambooth 10 %`.
        key: Digest of all that the result depends on.
        digest: Digest of the result's content.
        settings: The step's settings.
        scalars: The step's other parameters.
        inputs: Content digest of every input, or of every element of a list input.
        metrics: The step's numbers.
        curves: The step's curves.
        warnings: What a reader must know before the numbers.
        seconds: Wall time of the try that finished, waiting for its turn not included.
        continued: Whether that try continued an interrupted one.
        memory: Peak resident memory of the process, bytes.
        device_memory: Peak memory on the accelerator, bytes; 0 without one.
        packages: Versions of the packages that compute.
        lineage: Records of all steps this one depends on, without their own lineage.
    """

    step: str
    label: str
    key: str
    digest: str
    settings: Mapping[str, Any]
    scalars: Mapping[str, Any]
    inputs: Mapping[str, Any]
    metrics: Mapping[str, float]
    curves: Mapping[str, list[tuple[int, float]]]
    warnings: list[str]
    seconds: float
    continued: bool
    memory: int
    device_memory: int
    packages: str
    lineage: list["Record"] = field(default_factory=list)


def read_record(folder: Path) -> Record:
    """The record of the step that made an artifact."""
    fields = json.loads((folder / RECORD).read_text())
    lineage = [Record(**one) for one in fields.pop("lineage")]
    return Record(**fields, lineage=lineage)


@dataclass(frozen=True)
class Sources:
    """What a step is given by other steps: folders with their records, by parameter name.

    Attributes:
        folders: A folder, or a list of them.
        records: Their records, likewise.
    """

    folders: Mapping[str, Path | list[Path]]
    records: Mapping[str, Record | list[Record]]

    @classmethod
    def read(cls, artifacts: Mapping[str, Any]) -> Self:
        """Those of KFP artifacts, or lists of them."""
        folders: dict[str, Path | list[Path]] = {}
        records: dict[str, Record | list[Record]] = {}
        for name, value in artifacts.items():
            if isinstance(value, list):
                paths = [Path(one.path) for one in value]
                folders[name], records[name] = paths, [read_record(path) for path in paths]
            else:
                path = Path(value.path)
                folders[name], records[name] = path, read_record(path)
        return cls(folders, records)

    @property
    def digests(self) -> dict[str, str | list[str]]:
        """Content digests."""
        return {
            name: [one.digest for one in value] if isinstance(value, list) else value.digest
            for name, value in self.records.items()
        }

    @property
    def lineage(self) -> list[Record]:
        """Every step that any of them depends on, and they themselves, each once."""
        found: dict[str, Record] = {}
        for value in self.records.values():
            for record in value if isinstance(value, list) else [value]:
                for one in (*record.lineage, record):
                    fields = {**one.__dict__, "lineage": []}
                    found.setdefault(f"{one.step} {one.key}", Record(**fields))
        return list(found.values())
