"""`defectory settings`: every field, its value, its meaning."""

import argparse

from pipelines.commands.options import add_configuration

EXAMPLES = """\
examples:
  defectory settings
  defectory settings --preset paper
  defectory settings --set plan.images=5000"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = "Lists every setting of a preset, after the changes given."
    parser.epilog = EXAMPLES
    add_configuration(parser)


def main(chosen: argparse.Namespace) -> int:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    from pipelines.commands.configuration import configuration
    from pipelines.overrides import describe

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("setting", "value", "meaning"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "setting")
    for row in describe(configuration(chosen)):
        table.add_row(*row)
    # A pattern over paths may look like markup.
    Console(markup=False, emoji=False).print(table)
    return 0
