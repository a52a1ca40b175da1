"""Runs the smoke preset in processes and in containers, and compares what every step made.

Not a test that pytest collects: it needs a Docker Engine with the project's images, and minutes.

    python tests/images/same_in_containers.py FOLDER
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from components.record import Record, read_record
from components.store import RECORD

TIMED = "report"
"""The step whose content has times in it."""

STEPS = 12
"""Steps of the DAG that have a record."""


def main(folder: Path) -> int:
    """Run both, compare, and say what came of it."""
    runs = {runner: _run(folder / runner, runner) for runner in ("subprocess", "docker")}
    made = {runner: _made(out) for runner, out in runs.items()}
    problems = [
        f"{step}: {sorted(made['subprocess'].get(step, {}).items())} by processes, "
        f"{sorted(made['docker'].get(step, {}).items())} by containers"
        for step in sorted(made["subprocess"].keys() | made["docker"].keys())
        if made["subprocess"].get(step) != made["docker"].get(step)
    ]
    if len(made["docker"]) < STEPS:
        problems.append(f"only {len(made['docker'])} steps, not {STEPS}: {sorted(made['docker'])}")
    summaries = {runner: _summary(out) for runner, out in runs.items()}
    problems += _differences("summary.json", summaries["subprocess"], summaries["docker"])
    for problem in problems:
        sys.stdout.write(f"containers: DIFFERS {problem}\n")
    if not problems:
        results = sum(len(one) for one in made["docker"].values())
        sys.stdout.write(
            f"containers: {results} results of {len(made['docker'])} steps are the same, made by "
            "processes and made in containers\n"
        )
    return 1 if problems else 0


def _run(out: Path, runner: str) -> Path:
    started = time.monotonic()
    command = [sys.executable, "-m", "pipelines.cli", "run", "--preset", "smoke"]
    subprocess.run([*command, "--runner", runner, "--out", str(out)], check=True)
    sys.stdout.write(f"containers: {runner} took {time.monotonic() - started:.0f} s\n")
    sys.stdout.flush()
    return out


def _made(out: Path) -> dict[str, dict[str, str]]:
    """Key and content digest of every result whose content has no times in it, by step."""
    found: dict[str, dict[str, str]] = {}
    for path in out.glob(f".store/*/*/result/{RECORD}"):
        record: Record = read_record(path.parent)
        if record.step != TIMED:
            found.setdefault(record.step, {})[record.key] = record.digest
    return found


def _summary(out: Path) -> dict[str, Any]:
    """The summary, without what may differ: times, and which Python 3.11 it was."""
    content: dict[str, Any] = json.loads((out / "summary.json").read_text())
    del content["timings"], content["versions"]["python"]
    return content


def _differences(name: str, processes: Any, containers: Any) -> Iterator[str]:
    """A line for every value that is not the same, by its place."""
    if isinstance(processes, dict) and isinstance(containers, dict):
        for key in sorted(processes.keys() | containers.keys()):
            yield from _differences(f"{name} {key}", processes.get(key), containers.get(key))
    elif isinstance(processes, list) and isinstance(containers, list):
        for place, both in enumerate(zip_longest(processes, containers)):
            yield from _differences(f"{name} {place}", *both)
    elif processes != containers:
        yield f"{name}: {processes} by processes, {containers} by containers"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
