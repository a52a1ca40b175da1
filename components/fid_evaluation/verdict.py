"""Does a segmenter trained on real photos find the defect where the mask is?

A requested instance is *reported* when a detection of any class, at or above the judge's threshold,
overlaps it with an IoU of at least 0.1 after both are dilated by 2 pixels. The dilation makes the
rule fair to cracks: two lines of one pixel, one pixel apart, share nothing, yet are the same crack;
on larger defects two pixels do not matter. An image is reported when one of its instances is, or
when a detection overlaps all of them together that much.

The threshold is made for searching whole photos, where every defect-free place may raise a false
alarm. Whether there is a defect at one known place is an easier question: `sightings` answers it
with weaker detections too, held against those at the same place in defect-free frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from components import dilation
from components.instances import Instance, Mask
from components.iou_evaluation.overlap import iou

TOLERANCE = 2
"""Pixels by which both masks are dilated."""

OVERLAP = 0.1
"""Smallest IoU of the dilated masks."""


class Detected(Protocol):
    """What a segmenter says of one defect; see `components.mask_rcnn.backend.Detection`."""

    @property
    def label(self) -> int: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def mask(self) -> Mask: ...  # noqa: D102


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one image.

    Attributes:
        reported: Whether a defect is reported where one was asked for.
        right_class: Whether one is reported there as a class that was asked for.
        instances: Number of requested instances.
        instances_reported: Number of those that are reported.
        iou: Union of all detections against the union of the requested masks, 0 .. 1.
        iou_tolerant: The same after dilating both.
        detections: Number of detections that count.
    """

    reported: bool
    right_class: bool
    instances: int
    instances_reported: int
    iou: float
    iou_tolerant: float
    detections: int


def judge(requested: Sequence[Instance], detected: Sequence[Instance]) -> Verdict:
    """Compare what was asked for with what was found.

    Args:
        requested: The image's masks, (height, width), at least one.
        detected: The detections at or above the threshold, masks of the same size.
    """
    found = [one for one in detected if one.mask.any()]
    asked = union(requested)
    seen = union(found) if found else np.zeros_like(asked)
    wide_asked, wide_seen = dilate(asked), dilate(seen)
    wide = [dilate(one.mask) for one in found]
    hits = [
        [iou(dilate(one.mask), mask) >= OVERLAP for mask in wide] for one in requested
    ]  # (requested, detections)
    together = [iou(wide_asked, mask) >= OVERLAP for mask in wide]
    labels = {one.label for one in requested}
    hit = [any(column) for column in zip(*hits, together, strict=True)]
    return Verdict(
        reported=any(hit),
        right_class=any(yes and one.label in labels for yes, one in zip(hit, found, strict=True)),
        instances=len(requested),
        instances_reported=sum(any(row) for row in hits),
        iou=iou(asked, seen),
        iou_tolerant=iou(wide_asked, wide_seen),
        detections=len(found),
    )


def union(instances: Sequence[Instance]) -> Mask:
    """The pixels of any of some instances, at least one."""
    return np.logical_or.reduce([one.mask for one in instances])


def dilate(mask: Mask) -> Mask:
    """The mask grown by a disc of `TOLERANCE` pixels."""
    return dilation.disc(mask, TOLERANCE)
