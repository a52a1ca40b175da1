"""Does the synthetic data help? The answer, from the paired bootstrap of the segmenters' scores.

Both segmenters are scored on the same resamples of the test photos, so what is easy or hard about
a photo cancels out. Where the interval of the difference holds 0, the answer is that no difference
could be measured, which is not the same as that there is none. Where it does not, and two or more
trainings of each tell what the luck of a training is, synthetic images help or harm. From one
training of each the interval knows the choice of photos only, and another seed may turn the
difference round: then they were better or worse this time.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from components.fraction import percent
from components.report.layout import between, signless

METRIC = "segm_map"
"""What the verdict is about: mean average precision of the masks."""

REGIME = "synthetic_then_real"
"""Whose gain over real photos alone the verdict is about."""

BESIDE = {"iou": "IoU", "hausdorff": "Hausdorff distance"}
"""The paper's other two, and what people call them. They decide nothing: of three metrics one would
soon differ by chance."""

LOWER_IS_BETTER = frozenset({"hausdorff", "hausdorff_matched", "false_alarms"})

Word = Literal[
    "helps",
    "harms",
    "better this time",
    "worse this time",
    "no measurable difference",
    "not measured",
]

APART = frozenset[Word]({"helps", "harms", "better this time", "worse this time"})
"""Words of an interval that leaves out 0."""

SEVERAL = "--set run.repeats=3"
"""What makes a run tell the luck of a training."""


@dataclass(frozen=True)
class Comparison:
    """One metric of one regime against training on real photos alone.

    Attributes:
        fraction: Fraction of the real data.
        regime: The regime compared.
        metric: The metric.
        difference: Its value minus that of `real`; None when it could not be computed.
        low: Lower end of the difference's interval; None without a bootstrap.
        high: Upper end.
        seeds: The seeds of the trainings that are compared pair by pair.
    """

    fraction: float
    regime: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    seeds: tuple[int, ...]

    @property
    def word(self) -> Word:
        """What the interval says, as far as the number of trainings lets it."""
        if self.difference is None or self.low is None or self.high is None:
            return "not measured"
        if self.low <= 0 <= self.high:
            return "no measurable difference"
        better = (self.low > 0) != (self.metric in LOWER_IS_BETTER)
        if len(self.seeds) > 1:
            return "helps" if better else "harms"
        return "better this time" if better else "worse this time"

    @property
    def interval(self) -> list[float] | None:
        """The interval as a pair, or None."""
        return None if self.low is None or self.high is None else [self.low, self.high]


@dataclass(frozen=True)
class Verdict:
    """The answer for one fraction.

    Attributes:
        fraction: Fraction of the real data.
        word: The answer.
        sentence: The answer with its numbers, for people.
        comparison: What it was read from; None when there is nothing to read.
        beside: The differences in the paper's other metrics, for people; may be empty.
    """

    fraction: float
    word: Word
    sentence: str
    comparison: Comparison | None
    beside: str = ""


def comparisons(scores: dict[str, Any]) -> list[Comparison]:
    """All differences to training on real photos alone that a `scores.json` holds."""
    return [
        Comparison(
            float(row["fraction"]),
            str(row["regime"]),
            metric,
            _finite(row[metric]["against_real"]["difference"]),
            *_ends(row[metric]["against_real"]["interval"]),
            tuple(int(seed) for seed in row["seeds"]),
        )
        for row in scores["regimes"]
        for metric in scores["protocol"]["definitions"]
        if "against_real" in row[metric]
    ]


def verdict(found: list[Comparison], fraction: float, confidence: float | None) -> Verdict:
    """The answer for a fraction from its comparisons."""
    here = {one.metric: one for one in found if one.fraction == fraction and one.regime == REGIME}
    if METRIC in here:
        one = here[METRIC]
        return Verdict(fraction, one.word, _sentence(one, confidence), one, _beside(here))
    return Verdict(
        fraction,
        "not measured",
        "This run has not both trainings, on real photos alone and on synthetic ones before them.",
        None,
    )


def lead(verdicts: list[Verdict]) -> str:
    """One sentence over all fractions."""
    if not verdicts:
        return "No segmenter was compared in this run."
    told = [one for one in verdicts if one.word in APART]
    if not told:
        if all(one.word == "not measured" for one in verdicts):
            return "Whether synthetic images help was not measured in this run."
        return "At no share of the real photos did synthetic images make a measurable difference."
    shares: dict[Word, list[str]] = {}
    for one in told:
        shares.setdefault(one.word, []).append(percent(one.fraction))
    parts = [
        f"{_PAST[word]} with {' and '.join(some)} of the real photos"
        for word, some in shares.items()
    ]
    end = "; elsewhere no difference could be measured" if len(told) < len(verdicts) else ""
    once = any(one.word.endswith("this time") for one in told)
    more = f" Whether that is more than luck, several trainings tell ({SEVERAL})." if once else ""
    return f"Training on synthetic images first {' and '.join(parts)}{end}.{more}"


_PAST: dict[Word, str] = {
    "helps": "helped",
    "harms": "harmed",
    "better this time": "was better this time",
    "worse this time": "was worse this time",
}


def _sentence(one: Comparison, confidence: float | None) -> str:
    if one.difference is None:
        return "The difference could not be computed."
    change = f"Mask mAP {_signed(one.difference)} against real photos alone"
    trainings = f", {len(one.seeds)} trainings each" if len(one.seeds) > 1 else ""
    if one.interval is None:
        return f"{change}{trainings}; without a bootstrap it cannot be told from chance."
    share = f"{confidence * 100:g} % interval" if confidence is not None else "interval"
    return f"{change}, {share} {between(one.interval, 3)}{trainings}."


def _beside(here: Mapping[str, Comparison]) -> str:
    parts = []
    for metric, name in BESIDE.items():
        one = here.get(metric)
        if one is not None and one.difference is not None:
            better = "lower is better" if metric in LOWER_IS_BETTER else ""
            interval = between(one.interval, 3) if one.interval else ""
            notes = ", ".join(note for note in (interval, better) if note)
            parts.append(f"{name} {_signed(one.difference)}" + (f" ({notes})" if notes else ""))
    return "; ".join(parts)


def _signed(difference: float) -> str:
    sign = "+" if difference > 0 else ""
    return f"{sign}{signless(f'{difference:.3f}')}"


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _ends(interval: Any) -> tuple[float | None, float | None]:
    if interval is None:
        return None, None
    low, high = interval
    return _finite(low), _finite(high)
