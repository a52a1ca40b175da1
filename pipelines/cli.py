"""The command `defectory`.

Only the standard library is imported here: help, a wrong flag and a wrong path answer at once.
"""

import argparse
import sys
from pathlib import Path

PRESETS = {
    "quickstart": "two CPU cores, the embedded tiny model, minutes",
    "smoke": "two steps of everything, to see that it runs",
    "paper": "Stable Diffusion 1.5 at 512 px, a GPU, hours",
}


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command line; exits with 0, 1 (a step failed) or 2 (bad input)."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.command == "run":
        problems = _bad_paths(chosen)
        if problems:
            sys.stderr.write("\n".join(problems) + "\n")
            sys.exit(2)
    from pipelines.commands import COMMANDS

    sys.exit(COMMANDS[chosen.command](chosen))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="defectory",
        description="Turns a few annotated defect photos into a measured, self-annotated "
        "training set.",
        epilog="defectory COMMAND --help tells more.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="from photos to a measured segmenter, in one go",
        description="Runs the whole pipeline on this machine. Run again, it continues or reuses "
        "what it has; a changed setting redoes only what depends on it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="presets:\n" + "\n".join(f"  {name:<11} {what}" for name, what in PRESETS.items()),
    )
    run.add_argument(
        "--data",
        metavar="PATH",
        help="folder of photos, or a .dvc file; the project's sample data by default",
    )
    run.add_argument("--revision", metavar="REV", default="", help="git revision of the .dvc file")
    run.add_argument(
        "--classes", metavar="A,B", default="", help="defect classes to use; all by default"
    )
    run.add_argument("--out", metavar="FOLDER", type=Path, help="results; runs/PRESET by default")
    run.add_argument(
        "--dry-run", action="store_true", help="check everything, show the plan, and stop"
    )
    _add_configuration(run)
    settings = commands.add_parser(
        "settings",
        help="every setting with its value and meaning",
        description="Lists every setting of a preset, after the changes given.",
    )
    _add_configuration(settings)
    return parser


def _add_configuration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", choices=list(PRESETS), default="quickstart", help="named configuration"
    )
    parser.add_argument(
        "--set",
        metavar="STEP.FIELD=VALUE",
        action="append",
        default=[],
        dest="changes",
        help="change one setting; may be given often (see: defectory settings)",
    )
    parser.add_argument(
        "--base-model",
        metavar="MODEL",
        help="hub id (with @COMMIT) or folder in the diffusers format",
    )


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
