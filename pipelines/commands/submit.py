"""`defectory submit`: start a run on a Kubeflow server."""

import argparse
import sys
import time
from math import inf
from typing import TYPE_CHECKING, Any

from pipelines.commands.options import add_connection, add_pipeline
from pipelines.refusal import GOES_ON, SERVER, Refusal

if TYPE_CHECKING:
    from pipelines.operator.server import Server

EXAMPLES = """\
examples:
  defectory submit
  defectory submit --set noun=casting --set fraction_1_percent=false --wait
  defectory submit --data photos.dvc --revision v2      (a .dvc file here, pushed to its origin)
  defectory submit --data https://host/photos.git:data.dvc --revision main
  defectory submit --list                               (the parameters, with their defaults)

The data is pinned: a branch or a tag becomes the commit that it is now."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = (
        "Starts a run of a deployed version, the newest by default, and prints its link."
    )
    parser.epilog = EXAMPLES
    add_pipeline(parser)
    parser.add_argument(
        "--version", metavar="NAME", default="", help="version to run; the newest by default"
    )
    parser.add_argument("--name", metavar="NAME", default="", help="name of the run")
    parser.add_argument(
        "--experiment", metavar="NAME", default="defectory", help="experiment to put it in"
    )
    parser.add_argument(
        "--list", action="store_true", help="print the parameters and stop", dest="only_list"
    )
    parser.add_argument(
        "--wait", action="store_true", help="follow the run until it ends; exits with 1 if it fails"
    )
    parser.add_argument(
        "--timeout",
        metavar="MINUTES",
        type=float,
        default=0.0,
        help="with --wait: stop waiting after this long, with exit code 4; the run goes on",
    )
    add_connection(parser)


def main(chosen: argparse.Namespace) -> int:
    """Check everything, start the run, and follow it if asked to."""
    _check(chosen)

    from pipelines.operator.access import access
    from pipelines.operator.choice import chosen_values, chosen_version, room
    from pipelines.operator.server import Server

    server = Server(access(chosen))
    pipeline, version = chosen_version(server, chosen.pipeline, chosen.version)
    known, values, pinned = chosen_values(
        version.pipeline_spec, chosen.changes, chosen.data, chosen.revision, pinning=True
    )
    if chosen.only_list:
        for one in known.values():
            sys.stdout.write(f"{one.name}={one.text}\n    {one.description}\n")
        return 0

    if warning := room(version.pipeline_spec, known, values):
        sys.stderr.write(f"{warning}\n")

    from pipelines.names import SERVICE_ACCOUNT
    from pipelines.operator import limits, runs

    stamp = time.strftime(" %Y-%m-%d %H:%M:%S", time.gmtime())
    run = runs.start(
        server,
        # The name of a version may itself be as long as that of a run.
        name=chosen.name or version.display_name[: limits.RUN.most - len(stamp)] + stamp,
        experiment_id=runs.experiment(server, chosen.experiment),
        version=version,
        values=values,
        service_account=chosen.service_account or SERVICE_ACCOUNT,
    )
    link = server.link("runs", run.run_id)
    lines = [f"run {run.run_id} of {pipeline.display_name} {version.display_name}"]
    if pinned is not None:
        lines.append(f"data {pinned.data} at {pinned.commit}")
    sys.stdout.write("\n".join([*lines, link]) + "\n")
    sys.stdout.flush()
    return wait(server, run.run_id, chosen.timeout) if chosen.wait else 0


def _check(chosen: argparse.Namespace) -> None:
    """Tell of what cannot be before anything is asked of a server.

    Raises:
        Refusal: With the first problem.
    """
    from pipelines.operator import limits

    if not 0 <= chosen.timeout < inf:
        raise Refusal(
            f"--timeout {chosen.timeout:g}: give minutes; 0 waits for as long as it takes"
        )
    if chosen.timeout and not chosen.wait:
        raise Refusal(
            f"--timeout {chosen.timeout:g}: says how long to wait for the run: give --wait too, or "
            "leave it out"
        )
    limits.check_name(limits.EXPERIMENT, chosen.experiment)
    for kind, name in ((limits.RUN, chosen.name), (limits.SERVICE_ACCOUNT, chosen.service_account)):
        if name:
            limits.check_name(kind, name)


def wait(server: "Server", identity: str, minutes: float) -> int:
    """Follow a run until it ends.

    Returns:
        The exit code.
    """
    from pipelines.operator.follow import follow

    begun = time.monotonic()
    again = f"defectory runs {identity} --wait"

    def say(line: str) -> None:
        passed, rest = divmod(int(time.monotonic() - begun), 60)
        sys.stdout.write(f"{passed:3d}:{rest:02d}  {line}\n")
        sys.stdout.flush()

    try:
        run = follow(server, identity, say, limit=minutes * 60)
    except TimeoutError:
        raise Refusal(
            f"still going on after {minutes:g} minutes; {again} follows it", GOES_ON
        ) from None
    except KeyboardInterrupt:
        sys.stderr.write(f"\nThe run goes on; {again} follows it.\n")
        return 130
    except Refusal as refusal:
        raise Refusal(f"{refusal}\nThe run goes on; {again} follows it.", SERVER) from refusal
    return _outcome(server, run)


def _outcome(server: "Server", run: Any) -> int:
    from pipelines.operator import runs
    from pipelines.operator.workflow import reasons

    ended = f"{runs.state(run).lower()} after {runs.span(runs.seconds(run))}"
    if run.state == "SUCCEEDED":
        sys.stdout.write(f"{ended}\n{server.link('runs', run.run_id)}\n")
        return 0
    if runs.state(run) == "CANCELED":
        sys.stderr.write(f"{ended}\n{server.link('runs', run.run_id)}\n")
        return 1
    failed = [step.name for step in runs.steps(run) if step.count("FAILED")]
    why = f": {', '.join(failed)}" if failed else ""
    sys.stderr.write(f"{ended}{why}; {runs.logs_of(run)} shows what it printed\n")
    for reason in reasons(server, run.run_id):
        sys.stderr.write(f"  {reason}\n")
    sys.stderr.write(f"{server.link('runs', run.run_id)}\n")
    return 1
