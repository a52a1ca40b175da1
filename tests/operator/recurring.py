"""Schedules as KFP keeps them, and the runs that it makes of them."""

import re
from typing import Any

from kfp_backend import Backend


def only(backend: Backend) -> dict[str, Any]:
    """The only schedule that there is."""
    (one,) = backend.recurring.values()
    return one


def started(backend: Backend, state: str = "RUNNING") -> dict[str, Any]:
    """A run that the only schedule has started, named as KFP names it."""
    (identity,) = backend.recurring
    name = re.sub(r"[^a-z0-9-]", "", only(backend)["display_name"].lower())[:25]
    number = len(backend.runs) + 1
    run = {
        "run_id": f"{number:08x}-2222-3333-4444-555555555555",
        "display_name": f"{name}x7k2p-{number}-2166136261",
        "experiment_id": next(iter(backend.experiments)),
        "recurring_run_id": identity,
        "state": state,
        "storage_state": "AVAILABLE",
        "created_at": backend.now(),
    }
    backend.runs[run["run_id"]] = run
    return run


def in_the_ui(backend: Backend, name: str, **more: Any) -> dict[str, Any]:
    """A schedule that somebody has made in KFP's UI, of another pipeline unless told otherwise."""
    identity = f"{len(backend.recurring):08x}-9999-4444-8888-000000000000"
    backend.recurring[identity] = {
        "recurring_run_id": identity,
        "display_name": name,
        "description": "every night",
        "namespace": "team" if backend.multi_user else "",
        "status": "ENABLED",
        "created_at": backend.now(),
        "max_concurrency": "10",
        "no_catchup": True,
        "trigger": {"cron_schedule": {"cron": "0 0 1 * * *"}},
        "pipeline_version_reference": {"pipeline_id": "another"},
        "runtime_config": {"parameters": {}},
    } | more
    return backend.recurring[identity]
