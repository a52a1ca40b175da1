"""Stands in for the warm process: takes the calls of the DAG's steps, and makes next to nothing.

Everything else is real: KFP's local runner, the tasks' processes, the store. So a whole DAG takes
seconds, and a test sees with which settings every step was called.
"""

import json
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components.task import CORES, LANES, SPOOL, STORE
from pipelines import run

_SET = ("PYTHONUNBUFFERED", "OMP_NUM_THREADS", "MLFLOW_LOGGING_LEVEL", "MLFLOW_DISABLE_TELEMETRY")


def keep_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run in this process puts into the environment is taken out again."""
    for name in (STORE, SPOOL, LANES, CORES, *_SET, *run._MEMORY, *run._THREADS):
        monkeypatch.setenv(name, "")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@dataclass
class Called:
    """One call of a step."""

    step: str
    settings: dict[str, Any]
    scalars: dict[str, Any]
    environment: dict[str, str]
    given: dict[str, list[str]]
    """What lay in the folders that it was given, by their names."""


@dataclass
class StandIn:
    """A server at `address`; keeps the calls."""

    address: Path
    calls: list[Called] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Errors to answer with, by step."""

    def __post_init__(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.address))
        self._listener.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def of(self, step: str) -> list[Called]:
        return [one for one in self.calls if one.step.endswith(f":{step}")]

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
        for one in descriptors:
            socket.close(one)
        with connection, connection.makefile("rw") as stream:
            call = json.loads(stream.readline())
            step, scalars = call["step"], call["scalars"]
            values = json.loads(call["values"])
            folders = call["folders"]
            given = {
                name: sorted(path.name for path in Path(folder).iterdir())
                for name, folder in folders.items()
                if isinstance(folder, str) and Path(folder).is_dir()
            }
            self.calls.append(Called(step, values, scalars, call["environment"], given))
            out = Path(folders["out"])
            (out / "made.json").write_text(json.dumps([step, values, scalars], sort_keys=True))
            if step.endswith(":write"):
                (out / "report.html").write_text("<html>the verdict</html>")
                (out / "summary.json").write_text("{}")
            error = self.refused.get(step.partition(":")[2])
            answer: dict[str, Any] = {
                "outcome": {"metrics": {"n": 1.0}, "curves": {}, "warnings": []},
                "memory": 1,
                "device_memory": 0,
            }
            if error is not None:
                answer = {"error": error, "passing": False}
            stream.write(json.dumps(answer) + "\n")
            stream.flush()
