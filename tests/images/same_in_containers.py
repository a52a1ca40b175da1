"""Runs the smoke preset in processes and in containers, and compares what every step made.

Not a test that pytest collects: it needs a Docker Engine with the project's images, and minutes.

    python tests/images/same_in_containers.py FOLDER

Containers run as whoever calls `defectory run`. Where root calls this, that is another user, of
whom neither this machine nor an image knows: one who sees the project and the engine, and whose
containers have no more rights than that.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from components.data_versioning.source import fetched, locate_default
from components.record import Record, read_record
from components.store import RECORD

TIMED = "report"
"""The step whose content has times in it."""

STEPS = 12
"""Steps of the DAG that have a record."""

STRANGER = 12345
"""Id of a user, and of a group, that are in no list."""

SOCKET = "/var/run/docker.sock"


def main(folder: Path) -> int:
    """Run both, compare, and say what came of it."""
    photos = _photos(folder / "photos")
    user = _user()
    out = _own(folder / "docker", user)
    words, environment = _as(user, _own(folder / "home", user))
    runs = {
        "subprocess": _run(folder / "subprocess", "subprocess", photos, [], {}),
        "docker": _run(out, "docker", photos, words, environment),
    }
    made = {runner: _made(out) for runner, out in runs.items()}
    problems = [
        f"{step}: {sorted(made['subprocess'].get(step, {}).items())} by processes, "
        f"{sorted(made['docker'].get(step, {}).items())} by containers"
        for step in sorted(made["subprocess"].keys() | made["docker"].keys())
        if made["subprocess"].get(step) != made["docker"].get(step)
    ]
    if len(made["docker"]) < STEPS:
        problems.append(f"only {len(made['docker'])} steps, not {STEPS}: {sorted(made['docker'])}")
    problems += _others(runs["docker"], user)
    summaries = {runner: _summary(out) for runner, out in runs.items()}
    problems += _differences("summary.json", summaries["subprocess"], summaries["docker"])
    for problem in problems:
        sys.stdout.write(f"containers: DIFFERS {problem}\n")
    if not problems:
        results = sum(len(one) for one in made["docker"].values())
        sys.stdout.write(
            f"containers: {results} results of {len(made['docker'])} steps are the same, made by "
            f"processes as user {os.getuid()} and made in containers as user {user}\n"
        )
    return 1 if problems else 0


def _photos(folder: Path) -> Path:
    """The sample photos, for everybody to read."""
    with fetched(str(locate_default()), "") as found:
        shutil.copytree(found, folder)
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    return folder


def _user() -> int:
    """Whom the containers are to run as: the caller, or the stranger where the caller is root."""
    if os.getuid() != 0:
        return os.getuid()
    socket = _socket()
    if socket is not None and not socket.stat().st_mode & 0o020:
        sys.stdout.write(
            f"containers: {socket} is closed to its group, so that only root reaches the engine: "
            "its containers run as root\n"
        )
        return 0
    return STRANGER


def _socket() -> Path | None:
    """The engine's socket; None where the engine is reached otherwise."""
    kind, _, path = os.environ.get("DOCKER_HOST", f"unix://{SOCKET}").partition("://")
    return Path(path) if kind == "unix" else None


def _own(folder: Path, user: int) -> Path:
    folder.mkdir(parents=True)
    if user != os.getuid():
        os.chown(folder, user, user)
    return folder


def _as(user: int, home: Path) -> tuple[list[str], dict[str, str]]:
    """What a command begins with that is to run as a user, and the variables it needs."""
    if user == os.getuid():
        return [], {}
    socket = _socket()
    words = ["setpriv", f"--reuid={user}", f"--regid={user}"]
    words += [f"--groups={socket.stat().st_gid}"] if socket else ["--clear-groups"]
    # The project and its Python may lie in a folder of root's. What a process may read has no
    # bearing on the containers that it asks the engine for.
    words += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    trusted = {"COUNT": "1", "KEY_0": "safe.directory", "VALUE_0": "*"}
    return words, {
        "HOME": str(home),
        "USER": "stranger",
        "LOGNAME": "stranger",
        **{f"GIT_CONFIG_{name}": value for name, value in trusted.items()},
    }


def _run(
    out: Path, runner: str, photos: Path, words: Sequence[str], environment: Mapping[str, str]
) -> Path:
    started = time.monotonic()
    command = [*words, sys.executable, "-m", "pipelines.cli", "run", "--preset", "smoke"]
    subprocess.run(
        [*command, "--data", str(photos), "--runner", runner, "--out", str(out)],
        env=os.environ | dict(environment),
        check=True,
    )
    sys.stdout.write(f"containers: {runner} took {time.monotonic() - started:.0f} s\n")
    sys.stdout.flush()
    return out


def _others(out: Path, user: int) -> Iterator[str]:
    """A line for every result that another user made."""
    for path in out.glob(f".store/*/*/result/{RECORD}"):
        if path.stat().st_uid != user:
            yield f"{path} was made by user {path.stat().st_uid}, not {user}"


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
