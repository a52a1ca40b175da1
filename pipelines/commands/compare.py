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
    from components.report.several import Adherence, Together

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
        "another split, generator and segmenters. The interval is Student's over the runs. Beside "
        "them stands how often the defects asked for are there in the synthetic images."
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
    from components.report.several import SEED, adherence, read_summaries, together

    if not 0 < chosen.confidence < 1:
        raise Refusal(f"--confidence {chosen.confidence:g}: give a share between 0 and 1")
    try:
        summaries = read_summaries(chosen.runs)
        found = together(summaries, chosen.metric, chosen.confidence)
        kept = adherence(summaries)
    except ValueError as error:
        raise Refusal(str(error)) from error
    except KeyError as error:
        raise Refusal(
            f"not every summary.json has the key {error}: another version of defectory wrote it; "
            "run all of them again with this one"
        ) from error
    seeds = [str(one["config"]["run"]["seed"]) for one in summaries]
    _write(_rows(found, seeds, chosen.confidence), markdown=chosen.markdown)
    sys.stdout.write(
        f"\n{chosen.metric} of {len(seeds)} runs, {SEED} {', '.join(seeds)}. Interval: mean of the "
        f"runs' differences and t({len(seeds) - 1}) standard errors of it.\nThe runs share their "
        "photos, so it is about seeds; each run's report has the interval over its test photos.\n"
    )
    if kept:
        sys.stdout.write("\n")
        _write(_adherence_rows(kept, seeds), markdown=chosen.markdown)
        sys.stdout.write(
            "\nFound: the judge, trained on most real photos, sees a defect in the mask more "
            "strongly than in the\nsame mask on 95 % of the defect-free ones.\n"
        )
    return 0


def _write(rows: list[list[str]], *, markdown: bool) -> None:
    if markdown:
        lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
        sys.stdout.writelines(f"| {' | '.join(line)} |\n" for line in lines)
    else:
        sys.stdout.write(columns(rows))


def _adherence_rows(found: Sequence["Adherence"], seeds: Sequence[str]) -> list[list[str]]:
    from components.fraction import percent

    rows = [["synthetic images", "made from", *(f"seed {seed}" for seed in seeds), "mean"]]
    for one in found:
        for name, values in (("left out", one.left_out), ("found, of the others", one.found)):
            rows.append([name, percent(one.fraction), *_shares(values)])
    rows.append(["found, of real ones", "validation", *_shares(found[-1].real)])
    return rows


def _shares(values: Sequence[float]) -> list[str]:
    from components.fraction import percent

    mean = sum(values) / len(values)
    return ["none" if math.isnan(one) else percent(round(one, 2)) for one in (*values, mean)]


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
