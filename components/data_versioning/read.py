"""Opens photos with their defects, and states the facts that splits and frames need."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from components.cores import cores
from components.data_versioning.decode import (
    Legend,
    Unusable,
    Upright,
    decode_labels,
    decode_mask,
    decode_picture,
)
from components.data_versioning.entry import CLEAN, Entry
from components.data_versioning.framing import Extent
from components.data_versioning.problems import Problem
from components.data_versioning.shapes import Runs, check_segmentation
from components.dataset import Image
from components.instances import Instance, Mask, connected, decode
from components.store import digest_file

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class Fact:
    """What is known of a photo once it has been opened.

    Attributes:
        id: Stable name, safe as a file name; it depends on the path below the root alone.
        entry: Where it lies.
        sha256: Digest of the photo's file.
        files: (path below the root, digest) of the photo's and its masks' files.
        content: Digest of its upright pixels.
        height: Pixels.
        width: Pixels.
        classes: Classes of its instances, in the order of the labels.
        tiny: Whether all its defects are smaller than the smallest instance.
        other: Whether it shows defects of other classes only.
        complete: Whether its instances are all that is annotated in it: no other class, no speck.
        defects: Where its instances lie.
    """

    id: str
    entry: Entry
    sha256: str
    files: tuple[tuple[str, str], ...]
    content: str
    height: int
    width: int
    classes: tuple[str, ...]
    tiny: bool
    other: bool
    complete: bool
    defects: tuple[Extent, ...]


@dataclass(frozen=True)
class Reader:
    """Opens the photos of one folder.

    Attributes:
        root: The folder.
        classes: Classes to use; their order defines the labels. Other classes are not read.
        smallest: Instances of fewer pixels are dropped.
        legend: What label maps mean.
    """

    root: Path
    classes: tuple[str, ...]
    smallest: int
    legend: Legend | None = None

    def open(self, entry: Entry) -> tuple[Image, list[Instance]]:
        """The upright picture, (height, width, 3), and its instances.

        Raises:
            Unusable: If the photo or one of its masks cannot be used.
        """
        read = self._open(entry)
        return read.picture, read.instances

    def grey(self, entry: Entry) -> NDArray[np.uint8]:
        """The upright picture in grey, (height, width)."""
        content = (self.root / entry.file).read_bytes()
        return cv2.cvtColor(decode_picture(content).picture, cv2.COLOR_RGB2GRAY)

    def fact(self, entry: Entry) -> Fact | list[Problem]:
        """The facts of a photo, or what is wrong with it and its masks."""
        files = [entry.file, *(mask for _, mask in entry.masks)]
        files += [entry.labels] if entry.labels else []
        try:
            read = self._open(entry)
        except Unusable as error:
            return [Problem(entry.file, error.problem, error.remedy)]
        except OSError as error:
            return [Problem(entry.file, f"cannot be read ({error.strerror})", "check its rights")]
        if read.problems:
            return read.problems
        picture = read.picture
        seen = sorted({one.label for one in read.instances})
        digests = tuple((file, digest_file(self.root / file)) for file in files)
        return Fact(
            id=identifier(entry.file),
            entry=entry,
            sha256=digests[0][1],
            files=digests,
            content=hashlib.sha256(
                np.array(picture.shape, np.int64).tobytes() + picture.tobytes()
            ).hexdigest(),
            height=picture.shape[0],
            width=picture.shape[1],
            classes=tuple(self.classes[label] for label in seen),
            tiny=read.marked and not seen,
            other=read.other and not read.marked,
            complete=read.complete,
            defects=tuple(Extent.of(one) for one in read.instances),
        )

    def _open(self, entry: Entry) -> "_Read":
        upright = decode_picture((self.root / entry.file).read_bytes())
        read = _Read(upright.picture)
        for name, file in entry.masks:
            if name not in (CLEAN, *self.classes):
                read.complete = False
                continue
            try:
                mask = upright.turn(decode_mask((self.root / file).read_bytes()))
            except Unusable as error:
                read.problems.append(Problem(file, error.problem, error.remedy))
                continue
            if name == CLEAN and mask.any():
                read.problems.append(
                    Problem(
                        file,
                        "marks a defect, but lies in a folder of defect-free photos",
                        "move the photo and its mask to the folder of their class",
                    )
                )
            elif name != CLEAN:
                self._mark(read, name, mask)
        if entry.labels and self.legend:
            try:
                content = (self.root / entry.labels).read_bytes()
                numbers = upright.turn(decode_labels(content, self.legend))
            except Unusable as error:
                read.problems.append(Problem(entry.labels, error.problem, error.remedy))
            else:
                for number in np.unique(numbers[numbers > 0]):
                    self._mark(read, self.legend.names[number - 1], numbers == number)
        if entry.shapes:
            found = _from_shapes(entry, upright, self.classes)
            read.marked |= bool(found)
            large = [one for one in found if int(one.mask.sum()) >= self.smallest]
            read.complete &= len(large) == len(found)
            read.complete &= all(name in self.classes for name, _ in entry.shapes)
            read.instances += large
        read.instances.sort(key=lambda one: one.label)
        return read

    def _mark(self, read: "_Read", name: str, mask: Mask) -> None:
        """Add a class's defects, or that there are some of another class."""
        if name not in self.classes:
            read.other, read.complete = True, False
            return
        found = connected(mask, self.classes.index(name), self.smallest)
        read.marked |= bool(mask.any())
        read.complete &= sum(int(one.mask.sum()) for one in found) == int(mask.sum())
        read.instances += found


@dataclass
class _Read:
    """A photo that was opened.

    Attributes:
        picture: It, upright.
        instances: Its defects of the classes to use.
        marked: Whether any pixel is marked as one of these classes.
        other: Whether any is marked as another.
        complete: Whether the instances are all that is annotated.
        problems: What is wrong with its masks.
    """

    picture: Image
    instances: list[Instance] = field(default_factory=list)
    marked: bool = False
    other: bool = False
    complete: bool = True
    problems: list[Problem] = field(default_factory=list)


def identifier(file: str) -> str:
    """A name that is safe as a file name and unique, whatever the path says."""
    stem = "".join(
        sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "_"
        for sign in PurePosixPath(file).stem
    )
    return f"{stem[:40]}-{hashlib.sha256(file.encode(errors='replace')).hexdigest()[:8]}"


def in_order(
    pool: ThreadPoolExecutor, function: Callable[[S], T], items: Iterable[S]
) -> Iterator[T]:
    """Like `pool.map`, but with only a few results waiting, as pictures are large."""
    ahead = 2 * cores()
    rest = iter(items)
    waiting = [pool.submit(function, item) for item in islice(rest, ahead)]
    while waiting:
        yield waiting.pop(0).result()
        waiting.extend(pool.submit(function, item) for item in islice(rest, 1))


def _from_shapes(entry: Entry, upright: Upright, classes: Sequence[str]) -> list[Instance]:
    """Instances of outlined defects, turned upright with their photo."""
    size = entry.declared or upright.picture.shape[:2]
    if size not in (upright.raw, upright.picture.shape[:2]):
        raise Unusable(
            f"annotated at {size[1]} x {size[0]} pixels, but it has "
            f"{upright.raw[1]} x {upright.raw[0]}",
            "export the annotations for this size of the image",
        )
    found: list[Instance] = []
    for name, given in entry.shapes:
        if name not in classes:
            continue
        try:
            segmentation = given if entry.declared else _of_size(given, *size)
            check_segmentation(segmentation, *size)
            mask = decode(segmentation, *size)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise Unusable(
                f"annotation that cannot be decoded ({error})",
                "export segmentations as polygons or run-length codes, not only boxes",
            ) from error
        # Shares are of the upright photo, even where the file's has the same size.
        mask = upright.turn(mask) if entry.declared else mask
        label = classes.index(name)
        if isinstance(given, Runs):  # of all the defects of a class together
            found += connected(mask, label, 1)
        elif mask.any():
            found.append(Instance(mask, label))
    return found


def _of_size(shape: Runs | Sequence[Sequence[float]], height: int, width: int) -> Any:
    """COCO's segmentation of runs of pixels, or of polygons in shares of a photo."""
    if isinstance(shape, Runs):
        return shape.coco(height, width)
    return [
        [value * (height if at % 2 else width) for at, value in enumerate(polygon)]
        for polygon in shape
    ]
