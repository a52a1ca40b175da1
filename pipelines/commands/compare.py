"""`defectory compare`: what runs with several seeds say together."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.commands.columns import columns
from pipelines.refusal import Refusal

if TYPE_CHECKING:
    from components.report.several import Together

EXAMPLES = """\
examples:
  defectory run
  defectory run --set run.seed=1 --out runs/seed1
  defectory run --set run.seed=2 --out runs/seed2
  defectory compare runs/quickstart runs/seed1 runs/seed2
  defectory compare runs/* --metric hausdorff --markdown"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.description = (
        "Puts the segmenters' scores of runs together that differ in run.seed alone: every seed is "
        "another split, generator and segmenters. The interval is Student's over the runs."
    )
    parser.epilog = EXAMPLES
    parser.add_argument("runs", metavar="FOLDER", nargs="+", type=Path, help="a finished run's")
    parser.add_argument(
        "--metric", metavar="NAME", default="segm_map", help="what is compared; segm_map by default"
    )
    parser.add_argument(
        "--confidence", metavar="SHARE", type=float, default=0.95, help="0.95 by default"
    )
    parser.add_argument("--markdown", action="store_true", help="the table for a README")


def main(chosen: argparse.Namespace) -> int:
    """Print the table."""
    from components.report.several import SEED, read_summaries, together

    if not 0 < chosen.confidence < 1:
        raise Refusal(f"--confidence {chosen.confidence:g}: give a share between 0 and 1")
    try:
        summaries = read_summaries(chosen.runs)
        found = together(summaries, chosen.metric, chosen.confidence)
    except ValueError as error:
        raise Refusal(str(error)) from error
    seeds = [str(one["config"]["run"]["seed"]) for one in summaries]
    rows = _rows(found, seeds, chosen.confidence)
    if chosen.markdown:
        lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
        sys.stdout.writelines(f"| {' | '.join(line)} |\n" for line in lines)
    else:
        sys.stdout.write(columns(rows))
    sys.stdout.write(
        f"\n{chosen.metric} of {len(seeds)} runs, {SEED} {', '.join(seeds)}. Interval: mean of the "
        f"runs' differences and t({len(seeds) - 1}) standard errors of it.\nThe runs share their "
        "photos, so it is about seeds; each run's report has the interval over its test photos.\n"
    )
    return 0


def _rows(found: Sequence["Together"], seeds: Sequence[str], confidence: float) -> list[list[str]]:
    from components.fraction import percent
    from components.report.figures import REGIMES

    heads = [f"seed {seed}" for seed in seeds]
    rows = [
        ["real photos", "trained on", *heads, "mean",
         f"minus real only, {confidence * 100:g} % interval", "better in"]
    ]  # fmt: skip
    for one in found:
        against = ["", ""]
        if one.difference is not None and one.low is not None and one.high is not None:
            against = [
                f"{_signed(one.difference)} ({_signed(one.low)} to {_signed(one.high)})",
                f"{one.better} of {len(one.values)}",
            ]
        values = [_number(value) for value in (*one.values, one.mean)]
        rows.append([percent(one.fraction), REGIMES[one.regime], *values, *against])
    return rows


def _number(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:+.3f}"
