"""Adherence: is the defect where the mask says it is?

Two answers that do not depend on each other: that of a segmenter trained on real photos
(`verdict`), and that of the pixels (`contrast`). An image is *accepted* by the second, because
it needs nothing but defect-free photos: a rule that asked the judge would carry what the judge
learnt from all real annotations into a set that may only know a fraction of them. The judge then
says what accepted images are worth. Images that the set was made without are examined too: the
rule was applied there, or, where nothing was rejected, is applied here to say what it would do.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from components.contrast import (
    FEWEST_FRAMES,
    GAP,
    LEVEL,
    defect_free,
)
from components.dataset import Dataset
from components.fid_evaluation.examine import (
    Finding,
    Judge,
    examine,
    false_alarms,
    look_at_clean,
    real_samples,
    synthetic_samples,
)
from components.fid_evaluation.verdict import OVERLAP, TOLERANCE
from components.progress import track
from components.synthetic import SyntheticSet

Summary = dict[str, Any]

RULES = {
    "judge": "found: the judge sees a defect in the mask more strongly than in the same mask on "
    f"defect-free training frames, which it was not trained on: at most {LEVEL:.0%} of the scores "
    "there, its own included, are as high. The score is the highest of a detection of any class "
    f"that overlaps a requested instance, or all of them together, with IoU {OVERLAP} or more "
    f"after both are dilated by {TOLERANCE} pixels; 0 where there is none. reported: that score is "
    "at or above the judge's validation threshold, which is made for searching whole photos",
    "iou": "union of all reported detections against the union of the requested masks; "
    f"iou_tolerant after dilating both by {TOLERANCE} pixels; 0 where nothing is reported",
    "chance": "share of the same masks on defect-free training frames in which the judge reports a "
    "defect; of those it finds, the rule leaves at most as many as it names",
    "contrast": "absolute difference of the mean grey levels in the mask and in a ring around it "
    f"({GAP} pixels away), 0..255. The mask stands out when its differences in grey level, colour "
    "and grain, taken together, are further from what is usual than those of the same mask on "
    f"defect-free training frames: at most {LEVEL:.0%} of them, its own included, are as far; auc "
    "is the share of those that are less far",
    "accepted": "images whose mask stands out by contrast, for that needs no annotated photo; the "
    "judge learnt from all of them and would carry them into a smaller fraction",
    "real": "the same numbers for annotated validation frames, each once for every class in it, as "
    "a synthetic image has one, without detections that fit another defect of the frame better: "
    "to compare with, faint defects too, whereas faint images can be left out; "
    "slightly flattered, for the judge's threshold and early stop were chosen on them",
}


def measure_adherence(
    data: Dataset,
    synthetic: SyntheticSet,
    segmenter: Judge,
    fraction: float,
    batch: int,
    seed: int,
) -> tuple[Summary, list[Finding]]:
    """The adherence entry of `quality.json`, and what was seen in every image.

    Args:
        data: The dataset.
        synthetic: The synthetic set.
        segmenter: A segmenter trained on real photos.
        fraction: Fraction of the real data that the set was made from.
        batch: Pictures judged at once.
        seed: Seed of the defect-free frames.
    """
    frames = defect_free(data, fraction, seed)
    clean = look_at_clean(segmenter, frames, batch) if frames else None
    samples = synthetic_samples(synthetic, synthetic.images + synthetic.rejected)
    photos = real_samples(data, data.frames("val"))
    found = examine(samples, segmenter, clean, batch, _shown("judging images"))
    real = examine(photos, segmenter, clean, batch, _shown("judging real frames"))
    alarms = data.frames("val", defect_free=True)
    refused = frozenset(one.id for one in synthetic.rejected) or frozenset(
        one.sample.id for one in found if one.standing and not one.standing.stands_out
    )
    accepted = partial(_accepted, refused=refused)
    entry: Summary = {
        "rules": RULES,
        "judge_threshold": segmenter.threshold,
        "judge": _with_classes(found, _judge, data.classes),
        "contrast": _with_classes(found, _contrast, data.classes),
        "accepted": _with_classes(found, accepted, data.classes),
        "real": {
            "part": "val",
            "judge": _with_classes(real, _judge, data.classes),
            "contrast": _with_classes(real, _contrast, data.classes),
            "false_alarms": false_alarms(data, alarms, segmenter, batch),
            "n": len(real),
            "n_defect_free": len(alarms),
        },
        "reason": None if found else "there is no synthetic image with a mask",
        "contrast_reason": None
        if clean is not None
        else f"that needs at least {FEWEST_FRAMES} defect-free training frames",
        "n": len(found),
        "n_without_mask": len(samples) - len(found),
        "n_left_out": len(synthetic.rejected),
        "n_defect_free": 0 if clean is None else clean.seen.shape[1],
        "seed": seed,
    }
    return entry, found


def _shown(what: str) -> Callable[[Sequence[int]], Iterable[int]]:
    return lambda starts: track(starts, what, unit="batches")


def _with_classes(
    found: Sequence[Finding],
    summarise: Callable[[Sequence[Finding]], Summary],
    classes: Sequence[str],
) -> Summary:
    """A summary of all findings, and of those of every class."""
    by_class = {
        name: summarise([one for one in found if name in one.sample.classes]) for name in classes
    }
    return {**summarise(found), "per_class": by_class}


def _judge(found: Sequence[Finding]) -> Summary:
    verdicts = [one.verdict for one in found]
    evidence = [one.evidence for one in found if one.evidence is not None]
    asked = sum(one.instances for one in verdicts)
    reported = sum(one.instances_reported for one in verdicts)
    return {
        "found": _mean([one.found for one in evidence]),
        "reported": _mean([one.reported for one in verdicts]),
        "right_class": _mean([one.right_class for one in verdicts]),
        "instances_reported": reported / asked if asked else None,
        "iou": _mean([one.iou for one in verdicts]),
        "iou_tolerant": _mean([one.iou_tolerant for one in verdicts]),
        "chance": _mean([one.by_chance for one in evidence]),
        "n": len(found),
    }


def _contrast(found: Sequence[Finding]) -> Summary:
    measured = [
        one.standing for one in found if one.standing and np.isfinite(one.standing.contrast)
    ]
    contrasts = [one.contrast for one in measured]
    return {
        "stands_out": _mean([one.stands_out for one in measured]),
        "chance": LEVEL,
        "auc": _mean([one.rank for one in measured]),
        "mean": _mean(contrasts),
        "median": float(np.median(contrasts)) if contrasts else None,
        "n": len(measured),
    }


def _accepted(found: Sequence[Finding], refused: frozenset[str]) -> Summary:
    if not found or any(one.standing is None for one in found):
        return {"share": None, "rejected": None, "found": None, "reported": None, "both": None,
                "judge_only": None, "contrast_only": None, "neither": None,
                "n": len(found)}  # fmt: skip
    out = np.array([one.sample.id not in refused for one in found])
    judged = np.array([one.evidence is not None and one.evidence.found for one in found])
    reported = np.array([one.verdict.reported for one in found])
    return {
        "share": float(out.mean()),
        "rejected": float(1 - out.mean()),
        "found": float(judged[out].mean()) if out.any() else None,
        "reported": float(reported[out].mean()) if out.any() else None,
        "both": int((out & judged).sum()),
        "judge_only": int((~out & judged).sum()),
        "contrast_only": int((out & ~judged).sum()),
        "neither": int((~out & ~judged).sum()),
        "n": len(found),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
