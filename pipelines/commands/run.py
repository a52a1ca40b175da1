"""`defectory run`: the whole pipeline on this machine."""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from components.accelerator import CHOICE
from components.image import unbuilt
from pipelines.commands.options import PRESETS, add_configuration
from pipelines.refusal import Refusal

EXAMPLES = """\
examples:
  defectory run
  defectory run --data PHOTOS --classes crack,pit --out runs/mine
  defectory run --data data.dvc --revision v2 --preset paper
  defectory run --runner docker --preset smoke

presets:
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = (
        "Runs the whole pipeline on this machine. Run again, it continues or reuses what it has; "
        "a changed setting redoes only what depends on it."
    )
    parser.epilog = EXAMPLES + "\n".join(f"  {name:<11} {what}" for name, what in PRESETS.items())
    parser.add_argument(
        "--data",
        metavar="WHERE",
        help="folder of photos, a .dvc file, or https://HOST/REPOSITORY.git:PATH/data.dvc; the "
        "project's sample data by default",
    )
    parser.add_argument(
        "--revision", metavar="REV", default="", help="git revision of the .dvc file"
    )
    parser.add_argument(
        "--classes", metavar="A,B", default="", help="defect classes to use; all by default"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help="results; runs/PRESET by default"
    )
    parser.add_argument(
        "--runner",
        choices=["subprocess", "docker"],
        default="subprocess",
        help="how steps run: processes of this installation, or containers of the images that "
        "`defectory images build` made",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, show the plan, and stop"
    )
    add_configuration(parser)


def main(chosen: argparse.Namespace) -> int:
    """Check everything, say what will be done, do it."""
    problems = _bad_paths(chosen)
    if problems:
        raise Refusal("\n".join(problems))

    from pipelines.commands.configuration import configuration, prepared

    config = prepared(configuration(chosen))

    from components.data_versioning.inspect import inspect
    from components.data_versioning.problems import BadData, told
    from components.data_versioning.source import fetched, locate_default
    from pipelines.shown import check_shown

    try:
        data = _where(chosen.data) if chosen.data else str(locate_default())
        with fetched(data, chosen.revision) as folder:
            found = inspect(folder, config.data_versioning, config.run.fractions, config.run.seed)
            if chosen.runner == "docker":
                check_shown(config, os.environ, [], [folder])
    except BadData as error:
        raise Refusal(told(error.problems)) from error
    except (ValueError, OSError) as error:
        raise Refusal(str(error)) from error

    from pipelines.commands.announcement import announce
    from pipelines.machine import against_gpus
    from pipelines.run import STORE_FOLDER, Request, RunFailed, execute, tracking_uri

    if reason := against_gpus():
        # As if it were not there, for all that follows: times and memory, lanes, steps, containers.
        os.environ[CHOICE] = ""
        sys.stdout.write(f"GPU       not used, all is computed on the CPU: {reason}\n")

    out = _out(chosen)
    store = out / STORE_FOLDER
    request = Request(config, data, chosen.revision, found.digest, out, store, chosen.runner)
    announce(request, found)
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
    sys.stdout.write(f"\n{out / 'report.html'}\n{out / 'summary.json'}\n")
    store_uri = tracking_uri(out)
    # MLflow's UI opens a store; a server has its own, and its address may hold a password.
    if store_uri.startswith("sqlite:"):
        sys.stdout.write(f"mlflow ui --backend-store-uri {store_uri}\n")
    return 0


def _bad_paths(chosen: argparse.Namespace) -> list[str]:
    data = chosen.data
    problems = [*_bad_data(data)] if data else []
    if chosen.revision and not (data or "data.dvc").endswith(".dvc"):
        problems.append(f"--revision {chosen.revision}: only a .dvc file has revisions")
    problems += _bad_out(_out(chosen), data)
    base = chosen.base_model
    if base and base.startswith((".", "/", "~")) and not Path(base).expanduser().is_dir():
        problems.append(f"--base-model {base}: there is no such folder")
    try:
        unbuilt()
    except ValueError as error:
        problems.append(str(error))
    return problems


def _bad_data(data: str) -> Iterator[str]:
    from pipelines.elsewhere import is_address, refuse_secrets

    if Path(data).exists():
        if Path(data).is_file() and not data.endswith(".dvc"):
            yield f"--data {data}: give a folder of photos, or a .dvc file"
        return
    try:
        refuse_secrets(data)
    except Refusal as refusal:
        yield str(refusal)
        return
    if not is_address(data):
        yield (
            f"--data {data}: there is no such file or folder; a .dvc file elsewhere is given as "
            "https://HOST/REPOSITORY.git:PATH/data.dvc"
        )


def _bad_out(out: Path, data: str | None) -> Iterator[str]:
    # os.access says no where Path.exists raises: below a file, or a folder that is closed to us.
    nearest = next(one for one in (out, *out.parents) if os.access(one, os.F_OK))
    if not nearest.is_dir():
        yield f"--out {out}: {nearest} is a file, not a folder; give another"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield f"--out {out}: you may not write to {nearest}; give another folder"
    if data and Path(data).is_dir() and out.is_relative_to(Path(data).resolve()):
        yield (
            f"--out {out}: lies among the photos, {data}, where the next run would take its "
            "pictures for photos; give a folder beside them"
        )


def _where(data: str) -> str:
    """The photos by their whole path, or by their address elsewhere."""
    path = Path(data)
    return str(path.resolve()) if path.exists() else data


def _out(chosen: argparse.Namespace) -> Path:
    out: Path = chosen.out or Path("runs") / chosen.preset
    return out.resolve()
