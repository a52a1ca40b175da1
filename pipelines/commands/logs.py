"""`defectory logs`: what the steps of a run printed."""

import argparse
import shlex
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipelines.commands.options import add_connection
from pipelines.refusal import SERVER, Refusal

if TYPE_CHECKING:
    from pipelines.operator.server import Server
    from pipelines.operator.source import Wish

EXAMPLES = """\
examples:
  defectory logs 3f2a                     (all steps of a run)
  defectory logs 3f2a --follow            (until the run ends)
  defectory logs 3f2a mask_rcnn --tail 50
  defectory logs 3f2a synthesis --follow
  defectory logs 3f2a gate --whole        (with what KFP and Argo print around it)

Pods are asked through the current kubectl context, else through KFP. Pods are removed some time
after a run; then there are the logs that KFP keeps with a run's artifacts, which its UI gives and
its API does not, or that Argo archives; a pod that was killed may leave none. What is followed is
read to its end, over connections that break off; the exit code is 3 if something, or everything,
was not read."""


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

    from pipelines.operator import runs
    from pipelines.operator.access import access
    from pipelines.operator.server import Server
    from pipelines.operator.source import Wish

    server = Server(access(chosen))
    run = runs.find(server, chosen.run)
    wish = Wish(tail=chosen.tail, whole=chosen.whole)
    if chosen.follow and run.state not in runs.FINAL:
        return _follow(server, run.run_id, wish, chosen.step)
    unread = _print(server, run, wish, chosen.step)
    return SERVER if chosen.follow and unread else 0


def _print(server: "Server", run: Any, wish: "Wish", step: str) -> int:
    """Print what there is, one log after another; how many were not read."""
    from pipelines.operator.logs import sources
    from pipelines.operator.pods import NotStarted
    from pipelines.operator.source import of_step

    found = sources(server, run, wish)
    if step:
        found = of_step(found, step)
    read = unread = 0
    nowhere: list[str] = []
    for source in found:
        lines: Iterable[str] = source.read()
        if source.gone:
            try:
                lines = list(lines)
            except Refusal:
                which = f" ({source.which})" if source.which else ""
                nowhere.append(f"{source.step}{which}")
                continue
        sys.stdout.write(f"== {source.step} ({source.where})\n")
        try:
            for line in lines:
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
            read += 1
        except Refusal as refusal:
            # One pod without a log must not hide the others'. Where nothing has started, there is
            # nothing to read.
            unread += not isinstance(refusal, NotStarted)
            sys.stdout.write(f"-- {server.access.hide(str(refusal))}\n")
    if nowhere:
        sys.stderr.write(
            f"no log of {', '.join(nowhere)}: Kubernetes has no pod of it any more, and KFP has "
            "kept none (one that is killed may leave none)\n"
        )
    if not read:
        raise Refusal(
            f"none of the {len(found)} logs could be read; look at "
            f"{server.link('runs', run.run_id)}",
            SERVER,
        )
    return unread + len(nowhere)


def _follow(server: "Server", identity: str, wish: "Wish", step: str) -> int:
    """Print lines as they come, below the name of the step where another one speaks."""
    from pipelines.operator.tail import tail
    from pipelines.profiles import KIND

    if step and step.replace("-", "_") not in KIND.steps:
        raise Refusal(f"there is no step {step!r}; there are {', '.join(sorted(KIND.steps))}")

    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    speaks = None
    try:
        for speaker, line in tail(server, identity, wish, step, say):
            if speaker is not speaks:
                speaks = speaker
                sys.stdout.write(f"== {speaker.step} ({speaker.where})\n")
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        words = ["defectory", "logs", identity, *([step] if step else []), "--follow"]
        words += ["--tail", str(wish.tail)] if wish.tail else []
        words += ["--whole"] if wish.whole else []
        sys.stderr.write(f"\nThe run goes on; {shlex.join(words)} follows it.\n")
        return 130
    return 0
