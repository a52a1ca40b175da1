"""What `defectory run` says before it starts."""

from rich.console import Console
from rich.table import Table

from components.accelerator import gpus
from components.data_versioning.inspect import Inspection
from pipelines.estimate import estimate
from pipelines.machine import gpu_room, lanes, room
from pipelines.memory import most
from pipelines.overrides import describe
from pipelines.run import Request


def announce(request: Request, found: Inspection) -> None:
    """Print the data, the steps with their estimated times, and every setting."""
    config = request.config
    values = " ".join(f"{name}={value}" for name, value, _ in describe(config))
    # Names of folders and classes, and patterns over paths, may look like markup.
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(f"data      {request.data}\n          {_summary(found)}\nresults   {request.out}")
    at_once = lanes(most(config))
    lines, origin = estimate(
        config,
        found.photos,
        request.store,
        at_once,
        accelerated=bool(gpus()),
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("step", "what"):
        table.add_column(heading)
    for heading in ("tasks", "time", "memory", "disk"):
        table.add_column(heading, justify="right")
    for line in lines:
        cells = (line.tasks, _time(line.seconds), _size(line.memory), _size(line.bytes))
        table.add_row(line.step, line.what, *map(str, cells))
    seconds = [line.seconds for line in lines]
    total = None if None in seconds else sum(one for one in seconds if one is not None)
    needed = max(line.memory for line in lines)
    disk = sum(line.bytes for line in lines)
    table.add_row("", "", "", _time(total), _size(needed * at_once), _size(disk))
    console.print(table)
    console.print(f"{origin}; {_side_by_side(at_once)}finished steps are not done again\n")
    holder = "GPU" if gpus() else "machine"
    there = gpu_room() if gpus() else room()
    if there is not None and needed > there:
        console.print(
            f"a step may need {_size(needed)} of memory, and this {holder} has {_size(there)}: it "
            f"may be ended in the middle; take a smaller batch, or a {holder} with more\n"
        )
    console.print(values + "\n", style="dim")


def _summary(found: "Inspection") -> str:
    classes = ", ".join(f"{name} {count}" for name, count in found.per_class.items())
    pieces = "found from the pixels" if found.pieces is None else str(found.pieces)
    without = str(found.defect_free) if found.defect_free else "0 (places beside defects stand in)"
    return (
        f"{found.form}: {found.photos} photos of {found.smallest} to {found.largest} px\n"
        f"          {classes}; defect-free {without}; pieces: {pieces}"
    )


def _side_by_side(at_once: int) -> str:
    return "two tasks compute at once; " if at_once > 1 else ""


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, days = minutes // 60, minutes / (24 * 60)
    if minutes < 100:
        return f"{minutes}:{rest:02d}"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{days:.0f} days"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
