"""`defectory logs`: what the steps of a run printed."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pipelines.commands.options import add_connection
from pipelines.refusal import SERVER, Refusal

if TYPE_CHECKING:
    from pipelines.operator.logs import Wish
    from pipelines.operator.server import Server

EXAMPLES = """\
examples:
  defectory logs 3f2a                     (all steps of a run)
  defectory logs 3f2a --follow            (until the run ends)
  defectory logs 3f2a mask_rcnn --tail 50
  defectory logs 3f2a synthesis --follow
  defectory logs 3f2a gate --whole        (with what KFP and Argo print around it)

Pods are asked through the current kubectl context, else through KFP. Pods are removed some time
after a run; then there are logs only if the installation archives them (Argo's archiveLogs)."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = "Prints the logs of a run's steps, or of one of them."
    parser.epilog = EXAMPLES
    parser.add_argument("run", metavar="RUN", help="a run's id, its beginning, or its name")
    parser.add_argument("step", metavar="STEP", nargs="?", default="", help="only this step")
    parser.add_argument(
        "--tail", metavar="N", type=int, default=0, help="only the last lines of each"
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on until the run ends, also with what starts later",
    )
    parser.add_argument(
        "--whole", action="store_true", help="also what KFP and Argo print around every step"
    )
    add_connection(parser)


def main(chosen: argparse.Namespace) -> int:
    """Print the logs, each below its step's name."""
    if chosen.tail < 0:
        raise Refusal(f"--tail {chosen.tail}: give a number of lines")

    from pipelines.operator import logs, runs
    from pipelines.operator.access import access
    from pipelines.operator.server import Server

    server = Server(access(chosen))
    run = runs.find(server, chosen.run)
    wish = logs.Wish(follow=chosen.follow, tail=chosen.tail, whole=chosen.whole)
    if chosen.follow and run.state not in runs.FINAL:
        return _follow(server, run.run_id, wish, chosen.step)
    return _print(server, run, wish, chosen.step)


def _print(server: "Server", run: Any, wish: "Wish", step: str) -> int:
    """Print what there is, one log after another."""
    from pipelines.operator import logs

    found = logs.sources(server, run, wish)
    if step:
        found = logs.of_step(found, step)
    lost = 0
    for source in found:
        sys.stdout.write(f"== {source.step} ({source.where})\n")
        try:
            for line in source.read():
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
        except Refusal as refusal:
            # One pod without a log must not hide the others'.
            lost += 1
            sys.stdout.write(f"-- {server.access.hide(str(refusal))}\n")
    if lost == len(found):
        raise Refusal(
            f"none of the {lost} logs could be read; look at {server.link('runs', run.run_id)}",
            SERVER,
        )
    return 0


def _follow(server: "Server", identity: str, wish: "Wish", step: str) -> int:
    """Print lines as they come, below the name of the step where another one speaks."""
    from pipelines.operator.tail import tail
    from pipelines.profiles import KIND

    if step and step.replace("-", "_") not in KIND.steps:
        raise Refusal(f"there is no step {step!r}; there are {', '.join(sorted(KIND.steps))}")

    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    speaks = None
    for source, line in tail(server, identity, wish, step, say):
        if source is not speaks:
            speaks = source
            sys.stdout.write(f"== {source.step} ({source.where})\n")
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0
