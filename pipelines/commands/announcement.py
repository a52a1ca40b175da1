"""What `defectory run` says before it starts."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.base_model.settings import EMBEDDED
from components.data_versioning.inspect import Inspection
from pipelines.config import Config
from pipelines.estimate import estimate
from pipelines.machine import accelerated, lanes
from pipelines.overrides import describe
from pipelines.run import Request


def announce(request: Request, found: Inspection) -> None:
    """Print the data, the steps with their estimated times, and every setting."""
    config = request.config
    values = " ".join(f"{name}={value}" for name, value, _ in describe(config))
    # Names of folders and classes, and patterns over paths, may look like markup.
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(f"data      {request.data}\n          {_summary(found)}\nresults   {request.out}")
    lines, origin = estimate(
        config,
        found.photos,
        _base_bytes(config),
        request.store,
        lanes(),
        accelerated=accelerated(),
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
