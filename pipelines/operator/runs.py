"""Runs on a server: starting, finding and describing them."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import kfp_server_api

from pipelines.operator.failure import ServerRefusal
from pipelines.operator.nodes import is_try
from pipelines.operator.parameters import Value
from pipelines.operator.predicate import Condition, called, predicates
from pipelines.operator.server import Server
from pipelines.operator.versions import exactly, of_name
from pipelines.operator.workflow import tasks
from pipelines.refusal import Refusal

EXPERIMENT = "defectory"
FINAL = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")

OMITTED = "OMITTED"
"""State of a task that what it needs has failed, so that it never starts."""

_STATES = {None: OMITTED, "RUNTIME_STATE_UNSPECIFIED": OMITTED}
"""States of tasks that the API leaves out: it has none for Argo's Omitted."""

_IDENTITY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MACHINERY = re.compile(
    r"root|.*-driver|executor|exit-handler-.*|for-loop-.*|condition-.*|"
    r"condition-branches-.*|iteration.*|entrypoint|.*-iterations"
)


@dataclass(frozen=True)
class Step:
    """A step of a run, over all its tasks.

    Attributes:
        name: Name of the task in the pipeline.
        states: KFP's state of every task, in no order.
        waits: Why pods of it have not started, each reason once.
    """

    name: str
    states: tuple[str, ...]
    waits: tuple[str, ...] = ()

    def count(self, *states: str) -> int:
        """How many tasks are in one of some states."""
        return sum(state in states for state in self.states)

    @property
    def state(self) -> str:
        """One word for all: what is worst, else what is still going, else how they ended."""
        for state in (
            "FAILED", "CANCELED", "RUNNING", "PENDING", "SUCCEEDED", "SKIPPED", OMITTED,
        ):  # fmt: skip
            if state in self.states:
                return state
        return self.states[0]

    @property
    def word(self) -> str:
        """The state for people, with the reason of one that waits."""
        return self.waiting if self.state == "PENDING" else self.state.lower()

    @property
    def waiting(self) -> str:
        """That it waits, and for what, as far as Kubernetes says."""
        return ": ".join(["waiting", *(["; ".join(self.waits)] if self.waits else [])])


def experiment(server: Server, name: str) -> str:
    """Id of the experiment of this name, made if there is none.

    Raises:
        Refusal: If the server takes the name for that of another experiment.
    """
    if (known := of_name(_experiments(server, name), name)) is not None:
        return str(known.experiment_id)
    body = kfp_server_api.V2beta1Experiment(display_name=name, namespace=server.namespace)
    try:
        with server.doing(f"making the experiment {name!r}"):
            made = server.api.experiments.experiment_service_create_experiment(body)
        return str(made.experiment_id)
    except ServerRefusal as refusal:
        alike = _experiments(server, name) if refusal.status == 409 else []
        if not alike:
            raise
        # Somebody else was faster.
        return str(exactly(alike, name, "experiment", "--experiment").experiment_id)


def find_experiment(server: Server, name: str) -> str:
    """Id of the experiment of this name; empty where there is none."""
    known = of_name(_experiments(server, name), name)
    return str(known.experiment_id) if known is not None else ""


def _experiments(server: Server, name: str) -> list[Any]:
    scope: dict[str, Any] = {"namespace": server.namespace} if server.namespace else {}
    found = server.pages(
        "looking for the experiment",
        server.api.experiments.experiment_service_list_experiments,
        "experiments",
        filter=called(name),
        **scope,
    )
    return list(found)


def start(
    server: Server,
    *,
    name: str,
    experiment_id: str,
    version: Any,
    values: dict[str, Value],
    service_account: str,
) -> Any:
    """Start a run of a version."""
    body = kfp_server_api.V2beta1Run(
        display_name=name,
        experiment_id=experiment_id,
        pipeline_version_reference=kfp_server_api.V2beta1PipelineVersionReference(
            pipeline_id=version.pipeline_id, pipeline_version_id=version.pipeline_version_id
        ),
        runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=values),
        service_account=service_account,
    )
    with server.doing("starting the run"):
        return server.api.runs.run_service_create_run(body)


def get(server: Server, identity: str) -> Any:
    """A run with its tasks, by id."""
    with server.doing(f"looking at run {identity}"):
        run = server.api.runs.run_service_get_run(run_id=identity)
    if (known := tasks(server, identity)) and run.run_details is not None:
        run.run_details.task_details = known
    return run


def find(server: Server, named: str) -> Any:
    """A run by its id, the beginning of its id, or its name.

    Raises:
        Refusal: If none or several fit.
    """
    if _IDENTITY.fullmatch(named):
        return get(server, named)
    fitting = [
        run
        for run in listed(server, limit=0)
        if run.display_name == named or (len(named) >= 4 and run.run_id.startswith(named))
    ]
    if not fitting:
        raise Refusal(f"no run {named!r} on the server: defectory runs lists them")
    if len(fitting) > 1:
        ids = ", ".join(run.run_id for run in fitting[:5])
        raise Refusal(f"{len(fitting)} runs are called {named!r}: give an id ({ids})")
    return get(server, fitting[0].run_id)


def listed(server: Server, *, limit: int, wanted_state: str = "") -> list[Any]:
    """Runs, the newest first.

    Args:
        server: Where.
        limit: The most to return; 0 for all.
        wanted_state: One of KFP's states, or empty for any.
    """
    return list(islice(chosen(server, limit=limit, wanted_state=wanted_state), limit or None))


def chosen(
    server: Server, *, limit: int, wanted_state: str = "", further: Sequence[Condition] = ()
) -> Iterator[Any]:
    """Runs that are not archived, page by page, the newest first.

    Args:
        server: Where.
        limit: How many will be looked at; 0 for all. A run is half a megabyte of an answer.
        wanted_state: One of KFP's states, or empty for any.
        further: Further conditions.
    """
    # KFP ends as failed what was stopped, and keeps no state of what Argo has not taken up.
    kept = {"CANCELED": "FAILED", "PENDING": ""}.get(wanted_state, wanted_state)
    wanted = [
        ("NOT_EQUALS", "storage_state", "ARCHIVED"),
        *([("EQUALS", "state", kept)] if kept else []),
        *further,
    ]
    scope: dict[str, Any] = {"namespace": server.namespace} if server.namespace else {}
    found = server.pages(
        "listing runs",
        server.api.runs.run_service_list_runs,
        "runs",
        sort_by="created_at desc",
        size=limit,
        filter=predicates(wanted),
        **scope,
    )
    return (run for run in found if wanted_state in ("", state(run)))


def state(run: Any) -> str:
    """KFP's state of a run, but `CANCELED` for one that was stopped, which KFP ends as failed.

    One that Argo has not taken up yet has no state; it is `PENDING`, as KFP says first.
    """
    stopped = any(past.state == "CANCELING" for past in run.state_history or [])
    if run.state == "FAILED" and stopped:
        return "CANCELED"
    return str(run.state or "PENDING")


def steps(run: Any) -> list[Step]:
    """The steps of a run, without what KFP itself adds: drivers, loops, handlers, tries.

    A driver is told of where it holds its step up, which is nowhere else to be seen: it finds no
    place, or it failed, and what it is for will never start.
    """
    details = (run.run_details.task_details if run.run_details is not None else None) or []
    # The workflow itself is a task too; its name is the beginning of its children's ids.
    states: dict[str, list[str]] = {}
    waits: dict[str, dict[str, None]] = {}
    for task in details:
        name = task.display_name or ""
        if not name or is_try(name):
            continue  # a node with tries has the state of them all
        why = task.error.message if task.state == "PENDING" and task.error is not None else ""
        stuck = name.endswith("-driver") and (": " in why or task.state == "FAILED")
        if stuck or not (_MACHINERY.fullmatch(name) or _is_workflow(task, details)):
            states.setdefault(name, []).append(_STATES.get(task.state, task.state))
            waits.setdefault(name, {}).update(dict.fromkeys([why] if why else []))
    return [Step(name, tuple(found), tuple(waits[name])) for name, found in states.items()]


def logs_of(run: Any) -> str:
    """The command that prints what a run, or the first of its steps that failed, has said."""
    failed = [step.name for step in steps(run) if step.count("FAILED")]
    return shlex.join(["defectory", "logs", run.run_id, *failed[:1]])


def _is_workflow(task: Any, details: list[Any]) -> bool:
    return any(
        (child.pod_name or "").startswith(f"{task.display_name}-")
        for other in details
        for child in other.child_tasks or []
    )


def seconds(run: Any, now: datetime | None = None) -> float | None:
    """How long a run has taken so far, or took."""
    started, ended = moment(run.created_at), moment(run.finished_at)
    if started is None:
        return None
    return ((ended or now or datetime.now(UTC)) - started).total_seconds()


def moment(value: datetime | None) -> datetime | None:
    """A time of KFP's; it writes 1970 for what has not happened yet."""
    return None if value is None or value.year < 1980 else value


def parameters_of(run: Any) -> dict[str, Value]:
    """The values that a run or a schedule was started with."""
    config = run.runtime_config
    return dict(config.parameters or {}) if config is not None else {}


def span(total: float | None) -> str:
    """A duration for people: `4:07`, `1:02:33`."""
    if total is None:
        return "?"
    minutes, rest = divmod(round(total), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
