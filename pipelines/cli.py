"""The command `defectory`.

Only the standard library is imported here: help, a wrong flag and a wrong path answer at once.
"""

import argparse
import io
import sys
from importlib import import_module

from pipelines.refusal import Refusal

COMMANDS = {
    "run": "from photos to a measured segmenter, in one go, on this machine",
    "compare": "what runs with several seeds say together",
    "settings": "every setting with its value and meaning",
    "images": "build and list the container images",
    "compile": "write the pipeline as a package for Kubeflow",
    "deploy": "put the pipeline on a Kubeflow server, as a version",
    "submit": "start a run there",
    "schedule": "runs there at set times",
    "runs": "what runs there, and how it went",
    "logs": "what a run's steps printed",
}

EXIT_CODES = """\
exit codes:
  0    done, also when there was nothing to do
  1    a step or a run failed, or the run that was waited for took longer than --timeout
  2    the arguments, the settings or the files named cannot be used
  3    the Kubeflow server, Kubernetes or Docker could not be reached, or refused
  130  interrupted"""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command line; exits with one of the codes that the help lists."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names on a server may have letters that this terminal cannot show.
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if arguments is None else arguments
    command = next((word for word in words if not word.startswith("-")), "")
    chosen = _parser(command).parse_args(words)
    try:
        code = import_module(f"pipelines.commands.{chosen.command}").main(chosen)
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        code = refusal.code
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        code = 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain when it closes.
        sys.stderr.close()
        code = 0
    sys.exit(code)


def _parser(command: str) -> argparse.ArgumentParser:
    """The whole parser, with the arguments of one command filled in."""
    parser = argparse.ArgumentParser(
        prog="defectory",
        description="Turns a few annotated defect photos into a measured, self-annotated "
        "training set.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="defectory COMMAND --help tells more, with examples.\n\n" + EXIT_CODES,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        # Abbreviations would let a slip of the keyboard become another option's value.
        one = commands.add_parser(
            name,
            help=summary,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == command:
            import_module(f"pipelines.commands.{name}").arguments(one)
    return parser


if __name__ == "__main__":
    main()
