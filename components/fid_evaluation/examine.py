"""Look at pictures with known masks, synthetic or real, in the two ways adherence is told by."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from components.contrast import Stack, Standing, standing
from components.dataset import Dataset, Frame, Image
from components.fid_evaluation.verdict import Verdict, judge
from components.instances import Instance, Mask
from components.synthetic import Provenance, SyntheticSet


class Found(Protocol):
    """What a segmenter says of one defect; see `components.mask_rcnn.backend.Detection`."""

    @property
    def label(self) -> int: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def mask(self) -> Mask: ...  # noqa: D102


class Judge(Protocol):
    """A trained segmenter; see `components.mask_rcnn.predict.Segmenter`."""

    threshold: float

    def detect(self, pictures: Sequence[Image], batch: int = 16) -> Sequence[Sequence[Found]]:
        """Everything found in every picture."""


@dataclass(frozen=True)
class Sample:
    """A picture whose defects are known.

    Attributes:
        id: Its name.
        classes: Names of its defects' classes.
        origin: Name of what its mask was made from; samples that share it have like masks.
        read: Gives its pixels.
        instances: Gives its defects.
    """

    id: str
    classes: tuple[str, ...]
    origin: str
    read: Callable[[], Image]
    instances: Callable[[], list[Instance]]


@dataclass(frozen=True)
class Finding:
    """What was seen in a sample.

    Attributes:
        sample: The sample.
        verdict: The judge's.
        by_chance: Whether the judge's detections also hit the mask of another sample, drawn at
            random; None where all samples have like masks.
        standing: How the mask stands out; None where there are too few defect-free frames.
    """

    sample: Sample
    verdict: Verdict
    by_chance: bool | None
    standing: Standing | None


def synthetic_samples(synthetic: SyntheticSet, rows: Sequence[Provenance]) -> list[Sample]:
    """Images of a synthetic set."""

    def sample(row: Provenance) -> Sample:
        return Sample(
            row.id,
            (row.defect,),
            row.mask,
            lambda: synthetic.image(row),
            lambda: synthetic.instances(row),
        )

    return [sample(row) for row in rows]


def real_samples(data: Dataset, frames: Sequence[Frame]) -> list[Sample]:
    """Annotated frames."""

    def sample(frame: Frame) -> Sample:
        labels = sorted({one.label for one in data.instances(frame)})
        return Sample(
            frame.id,
            tuple(data.classes[label] for label in labels),
            frame.photo,
            lambda: data.image(frame),
            lambda: data.instances(frame),
        )

    return [sample(frame) for frame in frames]


def examine(
    samples: Sequence[Sample],
    segmenter: Judge,
    clean: Stack | None,
    batch: int,
    seed: int,
    progress: Callable[[Sequence[int]], Iterable[int]],
) -> list[Finding]:
    """Judge every sample that has a mask.

    Args:
        samples: The pictures.
        segmenter: The judge.
        clean: Defect-free frames to lay masks on; None where there are too few.
        batch: Pictures judged at once.
        seed: Seed of the masks that detections are compared with to learn what chance gives.
        progress: Passes the numbers of the first samples of the batches through.
    """
    others = _others(samples, seed)
    found = []
    for start in progress(range(0, len(samples), batch)):
        some = samples[start : start + batch]
        pictures = [one.read() for one in some]
        for offset, detections in enumerate(segmenter.detect(pictures, batch)):
            sample, requested = some[offset], some[offset].instances()
            if not any(one.mask.any() for one in requested):
                continue
            detected = [
                Instance(one.mask, one.label)
                for one in detections
                if one.score >= segmenter.threshold
            ]
            found.append(
                Finding(
                    sample,
                    judge(requested, detected),
                    _by_chance(others[start + offset], detected),
                    standing(requested, pictures[offset], clean) if clean is not None else None,
                )
            )
    return found


def false_alarms(
    data: Dataset, frames: Sequence[Frame], segmenter: Judge, batch: int
) -> float | None:
    """Share of defect-free frames in which the judge finds a defect."""
    alarms = 0
    for start in range(0, len(frames), batch):
        pictures = [data.image(frame) for frame in frames[start : start + batch]]
        for detections in segmenter.detect(pictures, batch):
            alarms += any(one.score >= segmenter.threshold for one in detections)
    return alarms / len(frames) if frames else None


def _others(samples: Sequence[Sample], seed: int) -> list[Sample | None]:
    """For every sample another one whose mask has another origin, drawn at random."""
    rng = np.random.default_rng([seed, 9])
    origins = [one.origin for one in samples]
    chosen: list[Sample | None] = []
    for origin in origins:
        # A few tries find one unless nearly all masks have the same origin.
        tries = rng.integers(len(samples), size=20).tolist()
        chosen.append(next((samples[one] for one in tries if origins[one] != origin), None))
    return chosen


def _by_chance(other: Sample | None, detected: Sequence[Instance]) -> bool | None:
    masks = [] if other is None else other.instances()
    return judge(masks, detected).found if masks else None
