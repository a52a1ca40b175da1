"""COCO segmentations, checked before the library that decodes them gets them.

pycocotools computes in C with whatever it is given: a point far outside of the picture ends the
process, and where a run-length code is too short the pixels it leaves out are what was in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Runs:
    """Runs of pixels, counted from 1 down the columns of a picture whose size is not known yet.

    Attributes:
        starts: First pixel of each run, ascending.
        lengths: Its pixels.
    """

    starts: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `start length start length ...`.

        Raises:
            ValueError: If that is not what the text is, or runs overlap.
        """
        try:
            numbers = [int(value) for value in text.split()]
        except ValueError:
            raise ValueError(f"runs that are no numbers: {_short(text)}") from None
        starts, lengths = tuple(numbers[0::2]), tuple(numbers[1::2])
        if len(starts) != len(lengths):
            raise ValueError(f"a run without a length in {_short(text)}")
        ends = [0]
        for start, length in zip(starts, lengths, strict=True):
            if start <= ends[-1] or length < 1:
                raise ValueError(
                    f"the run {start} {length} is empty, or begins before another's end"
                )
            ends.append(start + length - 1)
        return cls(starts, lengths)

    def coco(self, height: int, width: int) -> dict[str, Any]:
        """The same as a run-length code of COCO, for a picture of a size.

        Raises:
            ValueError: If a run reaches beyond the picture.
        """
        counts, at = [], 1
        for start, length in zip(self.starts, self.lengths, strict=True):
            counts += [start - at, length]
            at = start + length
        if at - 1 > height * width:
            raise ValueError(f"a run ends at pixel {at - 1}, its image is {width} x {height}")
        return {"counts": [*counts, height * width - at + 1], "size": [height, width]}


def check_segmentation(segmentation: Any, height: int, width: int) -> None:
    """Make sure that a segmentation can be decoded and means the same every time.

    Forms other than polygons and run-length codes are left to `components.instances.decode`.

    Args:
        segmentation: COCO's polygons, [[x, y, x, y, ...], ...] in pixels, or a run-length code.
        height: Of the picture, pixels.
        width: Of the picture, pixels.

    Raises:
        ValueError: If a polygon is none or lies far outside, or a code does not fill the picture.
    """
    if isinstance(segmentation, list):
        for one in segmentation:
            _check_polygon(one, height, width)
    elif isinstance(segmentation, dict) and "counts" in segmentation:
        counts = segmentation["counts"]
        _check_runs(_runs(counts) if isinstance(counts, str) else counts, height, width)


def _check_polygon(polygon: Any, height: int, width: int) -> None:
    if not isinstance(polygon, list) or len(polygon) < 4 or len(polygon) % 2:
        raise ValueError(f"a polygon is a list of x, y, x, y, ..., not {_short(polygon)}")
    for values, side in ((polygon[0::2], width), (polygon[1::2], height)):
        for value in values:
            # A polygon may stand out a little, but never by as much as the picture is large.
            if not isinstance(value, int | float) or not -side <= value <= 2 * side:
                raise ValueError(
                    f"a polygon has the coordinate {_short(value)}, its image is {width} x {height}"
                )


def _check_runs(counts: Any, height: int, width: int) -> None:
    if not isinstance(counts, list) or not all(isinstance(one, int) and one >= 0 for one in counts):
        raise ValueError(f"the counts of a run-length code are {_short(counts)}")
    if sum(counts) != height * width:
        raise ValueError(
            f"a run-length code has {sum(counts)} pixels, its image {width} x {height}"
        )


def _runs(code: str) -> Sequence[int]:
    """The counts of COCO's compressed form.

    Each takes some signs of 6 bits from `0` on, the lowest 5 bits first, the sixth for "goes on";
    from the fourth on, counts are differences to the last but one.
    """
    counts: list[int] = []
    value = shift = 0
    for sign in code:
        bits = ord(sign) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"a run-length code has the sign {sign!r}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("a run-length code ends in the middle of a count")
    return counts


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
