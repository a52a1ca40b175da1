"""Look at pictures with known masks, synthetic or real, in the two ways adherence is told by."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from components.contrast import Looks, Standing, looks, standing
from components.dataset import Dataset, Frame, Image
from components.fid_evaluation.sightings import Evidence, Sightings, gather, weigh
from components.fid_evaluation.verdict import Detected, Verdict, dilate, judge
from components.instances import Instance
from components.iou_evaluation.overlap import iou
from components.synthetic import Provenance, SyntheticSet


class Judge(Protocol):
    """A trained segmenter; see `components.mask_rcnn.predict.Segmenter`."""

    threshold: float

    def detect(self, pictures: Sequence[Image], batch: int = 16) -> Sequence[Sequence[Detected]]:
        """Everything found in every picture."""


@dataclass(frozen=True)
class Sample:
    """A picture whose defects are known.

    Attributes:
        id: Its name.
        classes: Names of its defects' classes.
        read: Gives its pixels.
        instances: Gives its defects.
        others: Gives defects that are in it too and that nobody asks about.
    """

    id: str
    classes: tuple[str, ...]
    read: Callable[[], Image]
    instances: Callable[[], list[Instance]]
    others: Callable[[], list[Instance]] = list


@dataclass(frozen=True)
class Finding:
    """What was seen in a sample.

    Attributes:
        sample: The sample.
        verdict: The judge's.
        evidence: How strongly it sees the defect; None where there are too few defect-free
            frames.
        standing: How the mask stands out; None likewise.
    """

    sample: Sample
    verdict: Verdict
    evidence: Evidence | None
    standing: Standing | None


@dataclass(frozen=True)
class Clean:
    """Defect-free frames, which every mask is laid on to learn what chance gives.

    Attributes:
        seen: How they look.
        sightings: What the judge sees in them.
    """

    seen: Looks
    sightings: Sightings


def look_at_clean(segmenter: Judge, pictures: Sequence[Image], batch: int) -> Clean:
    """Have the judge look at defect-free frames.

    Args:
        segmenter: The judge.
        pictures: The frames, at least `FEWEST_FRAMES`.
        batch: Pictures judged at once.
    """
    found = segmenter.detect(pictures, batch)
    return Clean(looks(pictures), gather(found, pictures[0].shape[0]))


def synthetic_samples(synthetic: SyntheticSet, rows: Sequence[Provenance]) -> list[Sample]:
    """Images of a synthetic set."""

    def sample(row: Provenance) -> Sample:
        return Sample(
            row.id,
            (row.defect,),
            lambda: synthetic.image(row),
            lambda: synthetic.instances(row),
        )

    return [sample(row) for row in rows]


def real_samples(data: Dataset, frames: Sequence[Frame]) -> list[Sample]:
    """Annotated frames, each once for every class in it, for synthetic images have one class."""

    def sample(frame: Frame, label: int) -> Sample:
        def of_class(asked: bool) -> list[Instance]:
            return [one for one in data.instances(frame) if (one.label == label) == asked]

        return Sample(
            frame.id,
            (data.classes[label],),
            lambda: data.image(frame),
            lambda: of_class(True),
            lambda: of_class(False),
        )

    return [
        sample(frame, label)
        for frame in frames
        for label in sorted({one.label for one in data.instances(frame)})
    ]


def examine(
    samples: Sequence[Sample],
    segmenter: Judge,
    clean: Clean | None,
    batch: int,
    progress: Callable[[Sequence[int]], Iterable[int]],
) -> list[Finding]:
    """Judge every sample that has a mask.

    Args:
        samples: The pictures.
        segmenter: The judge.
        clean: Defect-free frames to lay masks on; None where there are too few.
        batch: Pictures judged at once.
        progress: Passes the numbers of the first samples of the batches through.
    """
    found = []
    for start in progress(range(0, len(samples), batch)):
        some = samples[start : start + batch]
        pictures = [one.read() for one in some]
        for offset, detections in enumerate(segmenter.detect(pictures, batch)):
            sample, requested = some[offset], some[offset].instances()
            if not any(one.mask.any() for one in requested):
                continue
            others = sample.others()
            detections = [one for one in detections if not _is_another(one, requested, others)]
            limit = segmenter.threshold
            reported = [Instance(one.mask, one.label) for one in detections if one.score >= limit]
            evidence = seen = None
            if clean is not None:
                evidence = weigh(requested, detections, clean.sightings, limit)
                seen = standing(requested, pictures[offset], clean.seen)
            found.append(Finding(sample, judge(requested, reported), evidence, seen))
    return found


def _is_another(
    detection: Detected, requested: Sequence[Instance], others: Sequence[Instance]
) -> bool:
    """Whether a detection is of a defect that nobody asks about, by which it overlaps more."""
    if not others or not detection.mask.any():
        return False
    seen = dilate(detection.mask)
    asked, other = (
        max(iou(dilate(one.mask), seen) for one in some) for some in (requested, others)
    )
    return other > asked


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
