"""MLflow: every finished step becomes a child run of the pipeline's run.

run  <pipeline>                tags: data digest, git revision, KFP run id; params: all settings
  +- dreambooth 10 %           params, metrics, loss curves, pictures; tags: git revision, KFP task
  +- ...

On a cluster KFP's own MLflow plugin may have made these runs already: the pipeline's is found by
its tag `kfp.pipeline_run_id`, a task's by `MLFLOW_RUN_ID`. Then they are joined, and what the
plugin logs itself (the task's parameters and its KFP metrics) is left to it. It ends them too, the
pipeline's with the state that KFP gives the run. A plugin that does not tell steps of their runs
leaves us the pipeline's run only, to which ours are added. Without the plugin the gate makes the
pipeline's run, with the same tags.
"""

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.record import Record, read_record
from components.retry import patiently
from components.store import RECORD
from components.task import RUN

EXPERIMENT = "defectory"
KEY = "defectory.key"
"""Tag with the digest of all that a step's result depends on."""

KFP_TASK = "kfp.task_id"
KFP_RUN = "kfp.pipeline_run_id"
KFP_RUN_URL = "kfp.pipeline_run_url"
"""Tags by which KFP's plugin marks the pipeline's run."""

JOINED = "MLFLOW_RUN_ID"
"""Environment variable with the id of the task's run, where KFP's plugin made one and tells steps
of it (its setting `injectUserEnvVars`)."""

PARENT = "mlflow.parentRunId"
"""Tag with the id of the run that MLflow shows a run below."""

PLUGIN = "KFP_MLFLOW_CONFIG"
"""Environment variable by which KFP's plugin is there, whatever it tells steps."""

UI = "DEFECTORY_UI_URL"
"""Environment variable with the address of the KFP UI."""

GIT_REVISION = "defectory.git_revision"
"""Tag with the commit of the code."""

REVISION = "DEFECTORY_GIT_REVISION"
"""Environment variable with that commit, which an image has; `unknown` where its build did not
know it."""

_CREDENTIALS = re.compile(r"//[^/@\s]+@")
_UNNAMEABLE = re.compile(r"[^\w.\- ]")
"""Signs that MLflow takes in no metric's name, or for a path; names of classes may have them."""

_STATES = {"SUCCEEDED": "FINISHED", "CANCELLED": "KILLED"}
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
        # Else a thread of it asks addresses of its maker, and changes the environment while other
        # threads read it, which fails their requests.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # It would print addresses as a pod knows the server, which no browser can open.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        from mlflow.tracking import MlflowClient

        self.client = MlflowClient(tracking_uri=uri)
        if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            self.experiment = given
            return
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
        self.params(run.info.run_id, params)
        return str(run.info.run_id)

    def run_of(self, pipeline_run: str) -> str | None:
        """The id of the run that stands for a pipeline run, whoever made it and where."""
        from mlflow.entities import ViewType

        experiments = [one.experiment_id for one in self.client.search_experiments()]
        found = self.client.search_runs(
            experiments,
            f"tags.`{KFP_RUN}` = '{pipeline_run}'",
            run_view_type=ViewType.ACTIVE_ONLY,
            order_by=["attributes.start_time ASC"],
        )
        tops = [one for one in found if PARENT not in one.data.tags]
        return str(tops[0].info.run_id) if tops else None

    def ensure(self, pipeline_run: str) -> str:
        """The run that stands for a pipeline run; started with KFP's tags if there is none."""
        tags = {KFP_RUN: pipeline_run}
        if base := os.environ.get(UI, "").rstrip("/"):
            tags[KFP_RUN_URL] = f"{base}/#/runs/details/{pipeline_run}"
        return self.run_of(pipeline_run) or self.start(f"{EXPERIMENT} {pipeline_run}", tags, {})

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        for name, value in tags.items():
            self.client.set_tag(run, name, value)

    def finish(self, run: str, succeeded: bool) -> None:
        """End a run with its true state."""
        self.client.set_terminated(run, "FINISHED" if succeeded else "FAILED")

    def close(self, run: str, status: str, but: str | None) -> None:
        """End the run of a pipeline run, and what is still open below it.

        KFP's plugin forgets the tasks inside of a condition or a loop that it has ended already.

        Args:
            run: Its id.
            status: How it ended, in MLflow's words.
            but: Id of a run below it that somebody else ends.
        """
        self.client.set_terminated(run, status)
        experiment = self.client.get_run(run).info.experiment_id
        for one in self.client.search_runs([experiment], "attributes.status = 'RUNNING'"):
            if one.info.run_id != but and self._is_below(one, run):
                self.client.set_terminated(one.info.run_id, status)

    def logged(self, run: str) -> set[str]:
        """The keys of the steps that are logged below a run; what is there by halves is removed."""
        experiment = self.client.get_run(run).info.experiment_id
        found = self.client.search_runs([experiment], f"tags.`{PARENT}` = '{run}'")
        whole = [one for one in found if one.info.status == "FINISHED"]
        for one in found:
            if one not in whole and KEY in one.data.tags:
                self.client.delete_run(one.info.run_id)
        return {one.data.tags.get(KEY, "") for one in whole}

    def _is_below(self, one: Any, run: str) -> bool:
        above = one.data.tags.get(PARENT)
        while above and above != run:
            above = self.client.get_run(above).data.tags.get(PARENT)
        return bool(above)

    def step(
        self,
        result: Path,
        *,
        label: str,
        reused: bool | None,
        task: str,
        parent: str | None,
        joined: str | None = None,
        counted: bool = False,
        revision: str = "",
    ) -> str:
        """Log a finished step as a child run; returns its id.

        Args:
            result: The step's result folder, with its record.
            label: Name of the task, for people.
            reused: Whether the result comes from an earlier run; None where that is not known.
            task: The task's id in KFP; empty where no pod ran.
            parent: Id of the pipeline's run; None logs a run of its own.
            joined: Id of the run that KFP's plugin has made for this task; None makes one.
            counted: Whether the step's metrics are KFP metrics too, which the plugin logs.
            revision: Commit of the code; empty where it is not known.
        """
        from mlflow.entities import Metric, RunTag

        record = read_record(result)
        tags = {
            "defectory.step": record.step,
            "defectory.label": label,
            KEY: record.key,
            "defectory.digest": record.digest,
            "defectory.data_digest": _data_digest(record),
        }
        if reused is not None:
            tags["defectory.reused"] = str(reused).lower()
        if task:
            tags[KFP_TASK] = task
        if revision:
            tags[GIT_REVISION] = revision
        settings = {**record.settings, **record.scalars}
        if joined is None:
            experiment = self.experiment
            if parent:
                tags[PARENT] = parent
                # KFP's plugin has an experiment of its own; MLflow shows a child below its parent
                # in the same one only.
                experiment = self.client.get_run(parent).info.experiment_id
            run = self.client.create_run(experiment, run_name=label, tags=tags)
            identity = str(run.info.run_id)
            self.params(identity, settings)
        else:
            identity = joined
            # The plugin gives all iterations of a loop one name; it knows its runs by their ids.
            self.client.update_run(identity, name=label)
            self.tag(identity, tags)
            # The plugin logs the task's own parameters: the same name with another value is an
            # error that would lose all of them.
            self.params(identity, {f"settings.{name}": one for name, one in settings.items()})
        measured = {
            **({} if joined is not None and counted else record.metrics),
            "seconds": record.seconds,
            "peak_memory_bytes": float(record.memory),
            "peak_device_memory_bytes": float(record.device_memory),
        }
        points = [
            Metric(_UNNAMEABLE.sub("_", name), value, 0, step)
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
        self.files(identity, _worth_keeping(result))
        if joined is None:
            self.client.set_terminated(identity)
        return identity

    def files(self, run: str, paths: Iterable[Path]) -> None:
        """Keep files of a result, each below the name of its folder."""
        for path in paths:
            self.client.log_artifact(run, str(path), path.parent.name)

    def params(self, run: str, params: Mapping[str, Any]) -> None:
        """Log parameters, each as text."""
        from mlflow.entities import Param

        flat = [
            Param(name, text[:_LONGEST_PARAM])
            for name, value in params.items()
            if (text := value if isinstance(value, str) else json.dumps(value))
        ]
        for start in range(0, len(flat), 100):
            self.client.log_batch(run, params=flat[start : start + 100])


def log(result: Path, *, label: str, reused: bool, task: str, counted: bool) -> None:
    """Log a finished step from the task itself, where nobody collects the notices."""

    def step(tracker: Tracker) -> None:
        pipeline_run = os.environ.get(RUN)
        tracker.step(
            result,
            label=label,
            reused=reused,
            task=task,
            parent=tracker.run_of(pipeline_run) if pipeline_run else None,
            joined=os.environ.get(JOINED),
            counted=counted,
            revision=_revision(),
        )

    _told(step)


def begin(pipeline_run: str, *, tags: Mapping[str, str], params: Mapping[str, Any]) -> None:
    """Make or find the run that stands for a pipeline run, and say what it is about."""

    def open_run(tracker: Tracker) -> None:
        run = tracker.ensure(pipeline_run)
        known = {**tags, GIT_REVISION: _revision()}
        tracker.tag(run, {name: value for name, value in known.items() if value})
        tracker.params(run, params)

    _told(open_run)


def add(pipeline_run: str, results: Callable[[], Mapping[str, Path]]) -> None:
    """Log the steps of a pipeline run that no task of it has logged to the end.

    KFP runs no pod where it takes a task from its cache. Its MLflow plugin logs such tasks itself.

    Args:
        pipeline_run: Id of the run in KFP.
        results: Gives the result folders of the run's steps, with their records, by their keys.
    """

    def log_missing(tracker: Tracker) -> None:
        run = tracker.ensure(pipeline_run)
        known = tracker.logged(run)
        for key, result in patiently(results).items():
            if key not in known:
                label = read_record(result).label
                tracker.step(
                    result, label=label, reused=None, task="", parent=run, revision=_revision()
                )

    if JOINED not in os.environ:
        _told(log_missing)


def keep(pipeline_run: str, files: Iterable[Path]) -> None:
    """Put files to the run that stands for a pipeline run."""
    _told(lambda tracker: tracker.files(tracker.ensure(pipeline_run), files))


def end(pipeline_run: str, state: str, error: str) -> None:
    """End the run that stands for a pipeline run, and those below it, with its true state."""

    def close(tracker: Tracker) -> None:
        run = tracker.ensure(pipeline_run)
        tags = {"defectory.state": state} | ({"defectory.error": error} if error else {})
        tracker.tag(run, tags)
        tracker.close(run, _STATES.get(state, "FAILED"), but=os.environ.get(JOINED))

    _told(close)


def _told(tell: Callable[[Tracker], None]) -> None:
    """Tell MLflow, where one is configured; that it cannot be told costs the run nothing."""
    from components.progress import say

    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    try:
        tell(Tracker())
    except Exception as error:  # MLflow's stores raise errors of every kind
        reason = _CREDENTIALS.sub("//", f"{type(error).__name__}: {error}")
        say(f"not logged to MLflow: {reason}")


def _revision() -> str:
    """The commit of the image that this runs in; empty outside of one."""
    found = os.environ.get(REVISION, "")
    return "" if found == "unknown" else found


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
