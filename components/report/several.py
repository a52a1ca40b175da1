"""What runs of one configuration with several seeds say together.

Another `run.seed` is another split, another generator and other segmenters, so runs vary by more
than the interval inside each of them tells, which is about the test photos of one split. Here the
runs are the sample: the mean of their differences with Student's interval over them. They share
photos, so it is about seeds, not about photos that nobody has taken.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.report.verdict import LOWER_IS_BETTER

SEED = "run.seed"

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Together:
    """One regime at one fraction, over all runs.

    Attributes:
        fraction: Fraction of the real data.
        regime: The regime.
        values: The metric in every run.
        mean: Their mean.
        difference: Mean over the runs of the difference to real photos alone; None for these.
        low: Lower end of its interval.
        high: Upper end.
        better: In how many runs the regime was better than real photos alone.
    """

    fraction: float
    regime: str
    values: tuple[float, ...]
    mean: float
    difference: float | None
    low: float | None
    high: float | None
    better: int | None


@dataclass(frozen=True)
class Adherence:
    """The synthetic sets of one fraction, over all runs.

    Attributes:
        fraction: Fraction of the real data.
        left_out: Share of the images that each run left out of its set; NaN where there is none.
        found: Share of the others in whose mask the judge found a defect.
        real: The same share of the real validation photos.
    """

    fraction: float
    left_out: tuple[float, ...]
    found: tuple[float, ...]
    real: tuple[float, ...]


def read_summaries(folders: Sequence[Path]) -> list[Summary]:
    """The summaries of some runs, by ascending seed.

    Args:
        folders: The runs' folders, at least two.

    Raises:
        ValueError: With all that keeps the runs from being put together.
    """
    found: list[tuple[Path, Summary]] = []
    problems = []
    for folder in folders:
        try:
            summary = json.loads((folder / "summary.json").read_text())
            summary["config"]["run"]["seed"], summary["versions"]["data"], summary["regimes"]
            found.append((folder, summary))
        except FileNotFoundError:
            problems.append(f"{folder}: has no summary.json; give the folders of finished runs")
        except (ValueError, KeyError, TypeError, NotADirectoryError):
            problems.append(f"{folder}: its summary.json is not one of a defectory run")
    if len(folders) < 2:
        problems.append("one run has nothing to be put together with; name two or more")
    problems += _unlike(found)
    if problems:
        raise ValueError("\n".join(problems))
    return sorted((one for _, one in found), key=lambda one: int(one["config"]["run"]["seed"]))


def together(summaries: Sequence[Summary], metric: str, confidence: float = 0.95) -> list[Together]:
    """Every regime at every fraction over all runs, in the order of the first run.

    Args:
        summaries: What `read_summaries` gave.
        metric: A metric of the segmenters.
        confidence: Of the interval, 0 .. 1.

    Raises:
        ValueError: If the runs lack the metric, or did not score the same segmenters.
    """
    tables = [
        {(float(row["fraction"]), str(row["regime"])): row for row in one["regimes"]}
        for one in summaries
    ]
    if any(table.keys() != tables[0].keys() for table in tables):
        raise ValueError("the runs did not score the same segmenters; finish them all first")
    known = sorted(
        name for row in tables[0].values() for name, one in row.items() if isinstance(one, dict)
    )
    if metric not in known:
        raise ValueError(f"no metric {metric!r}; there are {', '.join(dict.fromkeys(known))}")
    return [_over([table[key] for table in tables], *key, metric, confidence) for key in tables[0]]


def adherence(summaries: Sequence[Summary]) -> list[Adherence]:
    """Adherence at every fraction that all runs have a synthetic set of, ascending.

    Args:
        summaries: What `read_summaries` gave.
    """
    tables = [
        {float(one["fraction"]): one for one in summary.get("adherence", [])}
        for summary in summaries
    ]
    shared = sorted(set.intersection(*(set(table) for table in tables)))
    found = []
    for fraction in shared:
        entries = [table[fraction] for table in tables]
        found.append(
            Adherence(
                fraction,
                tuple(one["n_left_out"] / one["n"] if one["n"] else math.nan for one in entries),
                tuple(_found(one) for one in entries),
                tuple(_number(one["real"]["judge"]["found"]) for one in entries),
            )
        )
    return found


def _found(entry: Mapping[str, Any]) -> float:
    """Share of the images of a set in which the judge found a defect."""
    # Where nothing was left out, `accepted` says what would have been.
    return _number(entry["accepted" if entry["n_left_out"] else "judge"]["found"])


def _over(
    rows: Sequence[Mapping[str, Any]], fraction: float, regime: str, metric: str, confidence: float
) -> Together:
    values = tuple(_number(row[metric]["mean"]) for row in rows)
    mean = sum(values) / len(values)
    if any("against_real" not in row[metric] for row in rows):
        return Together(fraction, regime, values, mean, None, None, None, None)
    gains = [_number(row[metric]["against_real"]["difference"]) for row in rows]
    sign = -1 if metric in LOWER_IS_BETTER else 1
    middle, half = sum(gains) / len(gains), half_width(gains, confidence)
    better = sum(sign * gain > 0 for gain in gains)
    return Together(fraction, regime, values, mean, middle, middle - half, middle + half, better)


def half_width(values: Sequence[float], confidence: float) -> float:
    """Half of Student's interval of a mean: t(n - 1) standard errors.

    Args:
        values: The sample, at least two.
        confidence: 0 .. 1.
    """
    from scipy.stats import t

    count = len(values)
    mean = sum(values) / count
    deviation = math.sqrt(sum((one - mean) ** 2 for one in values) / (count - 1))
    return float(t.ppf((1 + confidence) / 2, count - 1)) * deviation / math.sqrt(count)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting by its name with a dot."""
    return {
        f"{part}.{name}": value for part, some in config.items() for name, value in some.items()
    }


def _unlike(found: Sequence[tuple[Path, Summary]]) -> list[str]:
    """Why runs are not the same but for their seeds."""
    if not found:
        return []
    problems = []
    (first, model), seeds = found[0], dict[int, Path]()
    expected = _flat(model["config"])
    for folder, summary in found:
        seed = int(summary["config"]["run"]["seed"])
        if seed in seeds:
            problems.append(
                f"{folder}: has the seed of {seeds[seed]}, {SEED}={seed}, so it says nothing new; "
                f"run it with another --set {SEED}=N and --out"
            )
        seeds.setdefault(seed, folder)
        if summary["versions"]["data"] != model["versions"]["data"]:
            problems.append(f"{folder}: was made from other photos than {first}")
        own = _flat(summary["config"])
        problems += [
            f"{folder}: {name}={own.get(name, 'absent')}, but {expected.get(name, 'absent')} in "
            f"{first}; only {SEED} may differ"
            for name in sorted(expected.keys() | own.keys())
            if name != SEED and own.get(name) != expected.get(name)
        ]
    return problems
