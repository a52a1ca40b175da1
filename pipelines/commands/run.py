"""`defectory run`: the whole pipeline on this machine."""

import argparse
import sys
from pathlib import Path

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
        metavar="PATH",
        help="folder of photos, or a .dvc file; the project's sample data by default",
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

    from pipelines.commands.configuration import configuration

    config = configuration(chosen)

    from components.data_versioning.inspect import inspect
    from components.data_versioning.problems import BadData, table
    from components.data_versioning.source import fetched, locate_default

    try:
        data = str(Path(chosen.data).resolve()) if chosen.data else str(locate_default())
        with fetched(data, chosen.revision) as folder:
            found = inspect(folder, config.data_versioning, config.run.fractions, config.run.seed)
    except BadData as error:
        raise Refusal(table(error.problems)) from error
    except (ValueError, OSError) as error:
        raise Refusal(str(error)) from error

    from pipelines.commands.announcement import announce
    from pipelines.run import STORE_FOLDER, Request, RunFailed, execute, tracking_uri

    out = (chosen.out or Path("runs") / chosen.preset).resolve()
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
    sys.stdout.write(
        f"\n{out / 'report.html'}\n{out / 'summary.json'}\n"
        f"mlflow ui --backend-store-uri {tracking_uri(out)}\n"
    )
    return 0


def _bad_paths(chosen: argparse.Namespace) -> list[str]:
    problems = []
    data = chosen.data
    if data and "://" not in data and not Path(data).exists():
        problems.append(f"--data {data}: there is no such file or folder")
    elif data and Path(data).is_file() and not data.endswith(".dvc"):
        problems.append(f"--data {data}: give a folder of photos, or a .dvc file")
    if chosen.revision and not (data or "data.dvc").endswith(".dvc"):
        problems.append(f"--revision {chosen.revision}: only a .dvc file has revisions")
    if chosen.out and chosen.out.exists() and not chosen.out.is_dir():
        problems.append(f"--out {chosen.out}: is a file, not a folder")
    base = chosen.base_model
    if base and base.startswith((".", "/")) and not Path(base).is_dir():
        problems.append(f"--base-model {base}: there is no such folder")
    return problems
