"""`defectory runs`: what runs on a Kubeflow server, and how it went."""

import argparse
import json
import sys
from datetime import UTC
from typing import TYPE_CHECKING, Any

from pipelines.commands.columns import columns
from pipelines.commands.options import add_connection
from pipelines.refusal import Refusal

if TYPE_CHECKING:
    from pipelines.operator.server import Server

EXAMPLES = """\
examples:
  defectory runs
  defectory runs --state FAILED --limit 5
  defectory runs --schedule nightly
  defectory runs 3f2a --wait              (the beginning of an id is enough)
  defectory runs --json | jq -r '.[0].link'"""

STATES = ("PENDING", "RUNNING", "PAUSED", "CANCELING", "SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = "Lists runs, the newest first, or shows the steps of one."
    parser.epilog = EXAMPLES
    parser.add_argument(
        "run", metavar="RUN", nargs="?", default="", help="a run's id, its beginning, or its name"
    )
    parser.add_argument(
        "--limit", metavar="N", type=int, default=20, help="the most to list; 20 by default"
    )
    parser.add_argument(
        "--state", choices=STATES, type=str.upper, default="", help="only those in this state"
    )
    parser.add_argument(
        "--schedule", metavar="NAME", default="",
        help="only those that a schedule started, also before it was changed",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for programs", dest="as_json")
    parser.add_argument(
        "--wait", action="store_true", help="follow the run named until it ends; 1 if it fails"
    )
    add_connection(parser)


def main(chosen: argparse.Namespace) -> int:
    """List runs, or show one."""
    if chosen.wait and not chosen.run:
        raise Refusal("--wait: name the run to follow")
    if chosen.limit < 1:
        raise Refusal(f"--limit {chosen.limit}: give at least 1")

    from pipelines.operator import limits, runs
    from pipelines.operator.access import access
    from pipelines.operator.server import Server

    limits.check_text(f"--schedule {chosen.schedule!r}", chosen.schedule)
    server = Server(access(chosen))
    if chosen.run:
        run = runs.find(server, chosen.run)
        if chosen.wait:
            from pipelines.commands.submit import wait

            return wait(server, run.run_id, 0.0)
        _show_one(server, run, as_json=chosen.as_json)
        return 0
    _show_all(server, chosen)
    return 0


def _show_all(server: "Server", chosen: argparse.Namespace) -> None:
    from pipelines.operator import runs

    if chosen.schedule:
        found = _of_schedule(server, chosen)
    else:
        found = runs.listed(server, limit=chosen.limit, wanted_state=chosen.state)
    if chosen.as_json:
        _print_json([_fields(server, run) for run in found])
        return
    if not found:
        sys.stdout.write("no runs\n")
        return
    rows = [("RUN", "STATE", "BEGAN (UTC)", "TOOK", "NAME", "LINK")]
    for run in found:
        began = runs.moment(run.created_at)
        rows.append(
            (
                run.run_id[:8],
                runs.state(run).lower(),
                f"{began.astimezone(UTC):%Y-%m-%d %H:%M}" if began else "?",
                runs.span(runs.seconds(run)),
                run.display_name,
                server.link("runs", run.run_id),
            )
        )
    sys.stdout.write(columns(rows))


def _of_schedule(server: "Server", chosen: argparse.Namespace) -> list[Any]:
    """Runs of a schedule, which may itself be gone.

    Raises:
        Refusal: If there is neither a schedule of this name nor any run of one.
    """
    from pipelines.operator import history, schedules

    named = schedules.find(server, chosen.schedule)
    found = history.runs_of(
        server, chosen.schedule, named, limit=chosen.limit, wanted_state=chosen.state
    )
    if named is None and not found:
        raise Refusal(
            f"no schedule {chosen.schedule!r} on the server, and no runs of one: defectory "
            "schedule list"
        )
    return found


def _show_one(server: "Server", run: Any, *, as_json: bool) -> None:
    from pipelines.operator import runs
    from pipelines.operator.parameters import typed
    from pipelines.operator.workflow import reasons

    if as_json:
        steps = {step.name: list(step.states) for step in runs.steps(run)}
        _print_json(_fields(server, run) | {"steps": steps})
        return
    lines = [
        f"{run.display_name}  {run.run_id}",
        f"{runs.state(run).lower()} after {runs.span(runs.seconds(run))}",
        server.link("runs", run.run_id),
        typed(runs.parameters_of(run)),
    ]
    if run.error is not None and run.error.message:
        lines.append(server.access.hide(" ".join(run.error.message.split())))
    width = max((len(step.name) for step in runs.steps(run)), default=0)
    for step in runs.steps(run):
        done = step.count("SUCCEEDED", "SKIPPED")
        of = f"  {done} of {len(step.states)}" if len(step.states) > 1 else ""
        if step.state != "PENDING" and (count := step.count("PENDING")):
            of += f", {count} {step.waiting}"
        lines.append(f"  {step.name:<{width}}  {step.word}{of}")
    # What failed in a run that goes on elsewhere will fail it in the end.
    if runs.state(run) == "FAILED" or any(step.count("FAILED") for step in runs.steps(run)):
        lines += [f"why: {one}" for one in reasons(server, run.run_id)]
        lines.append(f"{runs.logs_of(run)} shows what it printed")
    sys.stdout.write("\n".join(line for line in lines if line) + "\n")


def _fields(server: "Server", run: Any) -> dict[str, Any]:
    from pipelines.operator import runs

    began, ended = runs.moment(run.created_at), runs.moment(run.finished_at)
    return {
        "id": run.run_id,
        "name": run.display_name,
        "state": runs.state(run),
        "began": began.isoformat() if began else None,
        "ended": ended.isoformat() if ended else None,
        "seconds": runs.seconds(run),
        "schedule": run.recurring_run_id or None,
        "parameters": runs.parameters_of(run),
        "link": server.link("runs", run.run_id),
    }


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
