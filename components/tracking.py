"""MLflow: every finished step becomes a child run of the pipeline's run.

run  <pipeline>                tags: data digest, git revision, KFP run id; params: all settings
  +- dreambooth 10 %           params, metrics, loss curves, pictures; tag: KFP task
  +- ...
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.store import RECORD
from components.task import Record, read_record

EXPERIMENT = "defectory"
PARENT = "DEFECTORY_MLFLOW_PARENT"
"""Environment variable with the id of the pipeline's run, where somebody started one."""

_PER_REQUEST = 1000
_LONGEST_PARAM = 6000


class Tracker:
    """A connection to MLflow's tracking server or store."""

    def __init__(self, uri: str | None = None, artifacts: Path | None = None) -> None:
        """Connect.

        Args:
            uri: Tracking URI; MLflow's own default (`MLFLOW_TRACKING_URI`) when None.
            artifacts: Folder for artifacts, where the experiment has to be created in a local
                store; a server has its own place.
        """
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(tracking_uri=uri)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self.client.get_experiment_by_name(name)
        if found is None:
            location = artifacts.resolve().as_uri() if artifacts else None
            self.experiment = self.client.create_experiment(name, artifact_location=location)
        else:
            self.experiment = found.experiment_id

    def start(self, name: str, tags: Mapping[str, str], params: Mapping[str, Any]) -> str:
        """Start the run that stands for a whole pipeline run; returns its id."""
        run = self.client.create_run(self.experiment, run_name=name, tags=dict(tags))
        self._params(run.info.run_id, params)
        return str(run.info.run_id)

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        for name, value in tags.items():
            self.client.set_tag(run, name, value)

    def finish(self, run: str, succeeded: bool) -> None:
        """End a run with its true state."""
        self.client.set_terminated(run, "FINISHED" if succeeded else "FAILED")

    def step(self, result: Path, *, label: str, reused: bool, task: str, parent: str | None) -> str:
        """Log a finished step as a child run; returns its id.

        Args:
            result: The step's result folder, with its record.
            label: Name of the task, for people.
            reused: Whether the result comes from an earlier run.
            task: The task's id in KFP.
            parent: Id of the pipeline's run; None logs a run of its own.
        """
        from mlflow.entities import Metric, RunTag

        record = read_record(result)
        tags = {
            "defectory.step": record.step,
            "defectory.key": record.key,
            "defectory.digest": record.digest,
            "defectory.reused": str(reused).lower(),
            "defectory.data_digest": _data_digest(record),
            "kfp.task_id": task,
        }
        if parent:
            tags["mlflow.parentRunId"] = parent
        run = self.client.create_run(self.experiment, run_name=label, tags=tags)
        identity = str(run.info.run_id)
        self._params(identity, {**record.settings, **record.scalars})
        measured = {
            **record.metrics,
            "seconds": record.seconds,
            "peak_memory_bytes": float(record.memory),
            "peak_device_memory_bytes": float(record.device_memory),
        }
        points = [
            Metric(name, value, 0, step)
            for name, step, value in (
                *((name, 0, value) for name, value in measured.items()),
                *(
                    (f"{name}_curve", x, y)
                    for name, curve in record.curves.items()
                    for x, y in curve
                ),
            )
            if math.isfinite(value)
        ]
        warnings = [
            RunTag(f"defectory.warning.{number}", text)
            for number, text in enumerate(record.warnings)
        ]
        for start in range(0, max(len(points), 1), _PER_REQUEST):
            self.client.log_batch(
                identity, metrics=points[start : start + _PER_REQUEST], tags=warnings
            )
        for path in _worth_keeping(result):
            self.client.log_artifact(identity, str(path), path.parent.name)
        self.client.set_terminated(identity)
        return identity

    def _params(self, run: str, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        flat = [
            Param(name, text[:_LONGEST_PARAM])
            for name, value in params.items()
            if (text := value if isinstance(value, str) else json.dumps(value))
        ]
        for start in range(0, len(flat), 100):
            self.client.log_batch(run, params=flat[start : start + 100])


def log(result: Path, *, label: str, reused: bool, task: str) -> None:
    """Log a finished step from the task itself, where nobody collects the notices.

    An MLflow server that cannot be reached costs the run nothing but its entry there.
    """
    from mlflow.exceptions import MlflowException

    from components.progress import say

    try:
        Tracker().step(result, label=label, reused=reused, task=task, parent=os.environ.get(PARENT))
    except MlflowException as error:
        say(f"not logged to MLflow: {error}")


def _data_digest(record: Record) -> str:
    for one in (record, *record.lineage):
        if one.step == "data_versioning":
            return str(one.scalars.get("digest", ""))
    return ""


def _worth_keeping(result: Path) -> Iterator[Path]:
    yield result / RECORD
    yield from sorted((result / "preview").glob("*.png"))
    yield from sorted(path for path in result.glob("*") if path.suffix in {".html", ".json"}
                      and path.name != RECORD)  # fmt: skip
