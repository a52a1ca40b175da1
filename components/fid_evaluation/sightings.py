"""What the judge sees in many pictures, compared with one picture's masks at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.contrast import is_rare
from components.fid_evaluation.verdict import OVERLAP, Detected, dilate, union
from components.instances import Instance, Mask


@dataclass(frozen=True)
class Sightings:
    """All detections in some pictures, however weak.

    Attributes:
        masks: Their dilated masks, packed to bits, (detections, bytes).
        areas: Pixels of these.
        scores: Their scores, 0 .. 1.
        picture: Number of the picture that each is in.
        pictures: How many pictures there are.
    """

    masks: NDArray[np.uint8]
    areas: NDArray[np.int64]
    scores: NDArray[np.float64]
    picture: NDArray[np.int64]
    pictures: int

    def strongest(self, requested: Sequence[Instance]) -> NDArray[np.float64]:
        """Highest score with which some masks are seen in each picture, (pictures,), 0 .. 1.

        A detection of any class counts by the rule of `verdict`: it overlaps one of the masks, or
        all of them together. 0 where none does.

        Args:
            requested: Masks of the pictures' size, at least one.
        """
        hit = np.zeros(len(self.scores), bool)
        for mask in [*(one.mask for one in requested), union(requested)]:
            wide = dilate(mask)
            shared = np.bitwise_count(self.masks & _packed(wide)).sum(1, dtype=np.int64)
            hit |= shared >= OVERLAP * (self.areas + np.count_nonzero(wide) - shared)
        best = np.zeros(self.pictures)
        np.maximum.at(best, self.picture[hit], self.scores[hit])
        return best


@dataclass(frozen=True)
class Evidence:
    """How strongly the judge sees a picture's defect in its mask.

    Attributes:
        score: The highest score of a detection there, 0 .. 1; 0 where there is none.
        found: Whether that is among the highest 5 % of the same mask on defect-free frames.
        by_chance: Share of these in which the judge reports a defect in that mask.
    """

    score: float
    found: bool
    by_chance: float


def gather(found: Sequence[Sequence[Detected]], side: int) -> Sightings:
    """The detections of some pictures.

    Args:
        found: Every picture's detections.
        side: Side of the pictures, pixels.
    """
    kept = [(number, one) for number, some in enumerate(found) for one in some if one.mask.any()]
    wide = [dilate(one.mask) for _, one in kept]
    masks = [_packed(one) for one in wide]
    return Sightings(
        np.array(masks, np.uint8).reshape(len(kept), -(-side * side // 8)),
        np.array([np.count_nonzero(one) for one in wide], np.int64),
        np.array([one.score for _, one in kept], np.float64),
        np.array([number for number, _ in kept], np.int64),
        len(found),
    )


def weigh(
    requested: Sequence[Instance],
    detected: Sequence[Detected],
    clean: Sightings,
    threshold: float,
) -> Evidence:
    """Compare what is seen in a picture's masks with what is seen there in defect-free frames.

    Args:
        requested: The picture's masks, (side, side), at least one.
        detected: Everything the judge sees in the picture, however weak.
        clean: What it sees in defect-free frames.
        threshold: Score from which it reports a defect.
    """
    chance = clean.strongest(requested)
    score = float(gather([detected], requested[0].mask.shape[0]).strongest(requested)[0])
    return Evidence(score, is_rare(score, chance), float((chance >= threshold).mean()))


def _packed(mask: Mask) -> NDArray[np.uint8]:
    return np.packbits(mask)
