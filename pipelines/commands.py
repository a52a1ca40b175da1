"""What the command line does once its arguments are known to be in order."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from components.base_model.settings import EMBEDDED
from components.fid_evaluation.weights import find_weights
from components.store import digest_file, digest_tree
from pipelines.config import Config
from pipelines.overrides import BadSettings, describe, override
from pipelines.presets import preset

if TYPE_CHECKING:
    from components.data_versioning.inspect import Inspection
    from pipelines.run import Request


def run(chosen: argparse.Namespace) -> int:
    """`defectory run`: check everything, say what will be done, do it."""
    try:
        config = configuration(chosen)
    except (BadSettings, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2

    from components.data_versioning.inspect import inspect
    from components.data_versioning.problems import BadData, table
    from components.data_versioning.source import fetched, locate_default

    try:
        data = str(Path(chosen.data).resolve()) if chosen.data else str(locate_default())
        with fetched(data, chosen.revision) as folder:
            found = inspect(folder, config.data_versioning, config.run.fractions, config.run.seed)
    except BadData as error:
        sys.stderr.write(table(error.problems) + "\n")
        return 2
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2

    from pipelines.run import STORE_FOLDER, Request, RunFailed, execute, tracking_uri

    out = (chosen.out or Path("runs") / chosen.preset).resolve()
    request = Request(config, data, chosen.revision, found.digest, out, out / STORE_FOLDER)
    _announce(request, found)
    if chosen.dry_run:
        return 0
    try:
        execute(request)
    except RunFailed as error:
        sys.stderr.write(f"{error}\nThe same command continues from where it stopped.\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. The same command continues from where it stopped.\n")
        return 130
    sys.stdout.write(
        f"\n{out / 'report.html'}\n{out / 'summary.json'}\n"
        f"mlflow ui --backend-store-uri {tracking_uri(out)}\n"
    )
    return 0


def settings(chosen: argparse.Namespace) -> int:
    """`defectory settings`: every field, its value, its meaning."""
    from rich.console import Console
    from rich.table import Table

    try:
        config = configuration(chosen)
    except (BadSettings, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("setting", "value", "meaning"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "setting")
    for row in describe(config):
        table.add_row(*row)
    Console().print(table)
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {"run": run, "settings": settings}


def configuration(chosen: argparse.Namespace) -> Config:
    """The preset with the command line's changes applied and validated.

    Raises:
        BadSettings: With all problems.
    """
    changes = list(chosen.changes)
    if chosen.command == "run" and chosen.data is None:
        # The sample says which photos show one piece.
        changes.insert(0, "data_versioning.group_column=piece")
    if getattr(chosen, "classes", ""):
        changes.insert(0, f"data_versioning.classes={chosen.classes}")
    if base := chosen.base_model:
        if Path(base).is_dir():
            changes += [
                f"base_model.source={Path(base).resolve()}",
                f"base_model.digest={digest_tree(Path(base))}",
                "base_model.revision=",
            ]
        else:
            source, _, revision = base.partition("@")
            changes += [f"base_model.source={source}", f"base_model.revision={revision}"]
    config = override(preset(chosen.preset), changes)
    return override(config, _digests(config))


def _digests(config: Config) -> list[str]:
    """Digests of the files that the configuration names, so that their content decides."""
    problems, changes = [], []
    if config.mask_rcnn.weights:
        path = Path(config.mask_rcnn.weights)
        if path.is_file():
            changes.append(f"mask_rcnn.digest={digest_file(path)}")
        else:
            problems.append(f"mask_rcnn.weights: there is no file {path}")
    inception = find_weights(config.fid_evaluation)
    if inception.path is not None:
        changes += [
            f"fid_evaluation.weights={inception.path.resolve()}",
            f"fid_evaluation.digest={inception.digest}",
        ]
    elif config.fid_evaluation.weights:
        problems.append(f"fid_evaluation.weights: {inception.reason}")
    if problems:
        raise BadSettings("\n".join(problems))
    return changes


def _announce(request: "Request", found: "Inspection") -> None:
    from rich.console import Console
    from rich.table import Table

    from pipelines.estimate import estimate

    config = request.config
    values = " ".join(f"{name}={value}" for name, value, _ in describe(config))
    console = Console(highlight=False)
    console.print(f"data      {request.data}\n          {_summary(found)}\nresults   {request.out}")
    lines, origin = estimate(
        config,
        found.photos,
        _base_bytes(config),
        request.store,
        accelerated=Path("/dev/nvidia0").exists(),
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("step", "what"):
        table.add_column(heading)
    for heading in ("tasks", "time", "disk"):
        table.add_column(heading, justify="right")
    for line in lines:
        table.add_row(line.step, line.what, str(line.tasks), _time(line.seconds), _size(line.bytes))
    seconds = [line.seconds for line in lines]
    total = None if None in seconds else sum(one for one in seconds if one is not None)
    table.add_row("", "", "", _time(total), _size(sum(line.bytes for line in lines)))
    console.print(table)
    console.print(f"{origin}; finished steps are not done again\n")
    console.print(values + "\n", style="dim")


def _summary(found: "Inspection") -> str:
    classes = ", ".join(f"{name} {count}" for name, count in found.per_class.items())
    pieces = "found from the pixels" if found.pieces is None else str(found.pieces)
    return (
        f"{found.form}: {found.photos} photos of {found.smallest} to {found.largest} px\n"
        f"          {classes}; defect-free {found.defect_free}; pieces: {pieces}"
    )


def _base_bytes(config: Config) -> int:
    source = Path(config.base_model.source)
    if config.base_model.source == EMBEDDED:
        return 15_000_000
    if not source.is_dir():
        return 0
    return sum(path.stat().st_size for path in source.rglob("*") if path.is_file())


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
