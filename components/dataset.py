"""The dataset artifact: the one folder that every step reads its photos from.

    dataset.json             classes, resolution, framing, where the photos came from
    manifest.parquet         one row a photo
    images/                  the photos, upright, 8-bit, lossless
    annotations.json         their defects, COCO instances
    frames/manifest.parquet  one row a frame
    frames/images/           square cuts of the photos at the model's resolution
    frames/annotations.json  the frames' defects, COCO instances

A *photo* is what the camera took; a *frame* is the square that models see. Splits, groups and
fractions are decided on photos and inherited by their frames, so a photo is never on two sides.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.instances import Instance, class_map, decode, to_coco

Split = Literal["train", "val", "test"]
Image = NDArray[np.uint8]
"""An RGB picture (height, width, 3), 0 .. 255."""


@dataclass(frozen=True)
class Photo:
    """A row of the manifest.

    Attributes:
        id: Stable name, unique in the dataset, safe as a file name.
        file: Path below the data's root that the photo was read from, for people.
        sha256: Digest of that file's bytes.
        width: Pixels, after turning upright.
        height: Pixels, after turning upright.
        classes: Names of the defect classes seen in it; empty for a defect-free photo.
        split: Which part it belongs to.
        group: Name of the physical piece it shows; a group lies in one split.
        fraction: The smallest fraction of the real data whose training subset holds it (subsets
            are nested); NaN outside the annotated training part.
    """

    id: str
    file: str
    sha256: str
    width: int
    height: int
    classes: tuple[str, ...]
    split: Split
    group: str
    fraction: float

    @property
    def defect_free(self) -> bool:
        """Whether no defect is annotated in it."""
        return not self.classes


@dataclass(frozen=True)
class Frame:
    """A square cut of a photo.

    Attributes:
        id: Stable name, unique in the dataset, safe as a file name.
        photo: Id of the photo it was cut from.
        x: Left edge in the photo, pixels; negative where the cut is padded.
        y: Upper edge in the photo, pixels; negative where the cut is padded.
        side: Side of the cut in the photo, pixels; it is scaled to the dataset's resolution.
        split: The photo's.
        group: The photo's.
        fraction: The photo's; NaN outside the annotated training part.
        defect_free: Whether no defect lies in it, though its photo may show one elsewhere.
    """

    id: str
    photo: str
    x: int
    y: int
    side: int
    split: Split
    group: str
    fraction: float
    defect_free: bool

    @property
    def file(self) -> str:
        """Its file name, the same in every artifact that has a picture of the frame."""
        return f"{self.id}.png"


@dataclass(frozen=True)
class About:
    """`dataset.json`.

    Attributes:
        classes: Names of the defect classes; their order defines the labels.
        resolution: Side of the frames, pixels.
        framing: How frames were cut: `photo` (whole photos) or `window` (native-scale cuts).
        source: Where the photos came from, for people: a folder's name or a data revision.
        digest: Content digest of the source, of the form `sha256:...`.
        fractions: The fractions of the real data that subsets were drawn for, ascending.
        grouping: How groups were found: `column`, `pattern` or `pixels`.
    """

    classes: tuple[str, ...]
    resolution: int
    framing: Literal["photo", "window"]
    source: str
    digest: str
    fractions: tuple[float, ...]
    grouping: str


class Dataset:
    """Read-only view of a dataset artifact."""

    def __init__(self, path: Path) -> None:
        """Open the artifact in `path`; pictures are read when asked for."""
        self.path = path
        fields = json.loads((path / "dataset.json").read_text())
        fields["classes"], fields["fractions"] = (
            tuple(fields["classes"]),
            tuple(fields["fractions"]),
        )
        self.about = About(**fields)
        self.classes = self.about.classes
        self.resolution = self.about.resolution

    @cached_property
    def photos(self) -> list[Photo]:
        """All photos, in the order of their ids."""
        return [
            Photo(**{**row, "classes": tuple(row["classes"])})
            for row in _rows(self.path / "manifest.parquet")
        ]

    @cached_property
    def all_frames(self) -> list[Frame]:
        """All frames, in the order of their ids."""
        return [Frame(**row) for row in _rows(self.path / "frames" / "manifest.parquet")]

    def frames(
        self, split: Split, *, fraction: float = 1.0, defect_free: bool = False
    ) -> list[Frame]:
        """Frames of one part, in the order of their ids.

        Args:
            split: Which part.
            fraction: Of the annotated training part, only the subset of this fraction. It has no
                meaning for the other parts, nor for defect-free photos, of which there are plenty.
            defect_free: The defect-free frames instead of the annotated ones.
        """
        return [
            frame
            for frame in self.all_frames
            if frame.split == split
            and frame.defect_free == defect_free
            and not (split == "train" and frame.fraction > fraction + 1e-9)
        ]

    def image(self, frame: Frame) -> Image:
        """The frame's pixels, (resolution, resolution, 3)."""
        return read_image(self.path / "frames" / "images" / frame.file)

    def instances(self, frame: Frame) -> list[Instance]:
        """The frame's defects, masks (resolution, resolution)."""
        return [
            Instance(
                decode(one["segmentation"], self.resolution, self.resolution),
                one["category_id"] - 1,
            )
            for one in self._annotations.get(frame.file, [])
        ]

    def class_map(self, frame: Frame) -> NDArray[np.uint8]:
        """The frame's defects as one map, (resolution, resolution): label + 1, or 0."""
        return class_map(self.instances(frame), self.resolution, self.resolution)

    @cached_property
    def _annotations(self) -> dict[str, list[dict[str, Any]]]:
        document = json.loads((self.path / "frames" / "annotations.json").read_text())
        names = {image["id"]: image["file_name"] for image in document["images"]}
        found: dict[str, list[dict[str, Any]]] = {}
        for annotation in document["annotations"]:
            found.setdefault(names[annotation["image_id"]], []).append(annotation)
        return found


def write_dataset(
    out: Path,
    about: About,
    photos: Sequence[Photo],
    photo_pixels: Iterable[tuple[Image, Sequence[Instance]]],
    frames: Sequence[Frame],
    frame_pixels: Iterable[tuple[Image, Sequence[Instance]]],
) -> None:
    """Write a dataset artifact.

    Args:
        out: An existing folder.
        about: What `dataset.json` says.
        photos: The manifest, in the order of the ids.
        photo_pixels: Picture and defects of every photo, in the same order; read one at a time.
        frames: The frames' manifest, in the order of the ids.
        frame_pixels: Picture and defects of every frame, in the same order; read one at a time.
    """
    _write_part(out, [asdict(row) for row in photos], photo_pixels, about.classes)
    (out / "frames").mkdir(exist_ok=True)
    _write_part(out / "frames", [asdict(row) for row in frames], frame_pixels, about.classes)
    (out / "dataset.json").write_text(json.dumps(asdict(about), indent=2) + "\n")


def read_image(path: Path) -> Image:
    """Read an RGB picture (height, width, 3) from a file the project wrote.

    Raises:
        OSError: If the file cannot be read as a picture.
    """
    import cv2

    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise OSError(f"{path} is missing or not a picture")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def write_image(path: Path, picture: NDArray[np.uint8], *, flat: bool = False) -> None:
    """Write a picture (height, width[, 3]) as PNG, whole or not at all.

    Args:
        path: The file.
        picture: Its pixels.
        flat: Whether it is a drawing of even areas, which is smaller and faster unfiltered.
    """
    import cv2

    pixels = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    aside = path.with_name(f".{path.name}.png")
    # Left to itself, the encoder tries every filter on every line: twice the time, no gain.
    filtering = cv2.IMWRITE_PNG_FILTER_NONE if flat else cv2.IMWRITE_PNG_FILTER_PAETH
    how = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, filtering]
    if not cv2.imwrite(str(aside), pixels, how):
        raise OSError(f"cannot write {path}")
    aside.replace(path)


def _rows(path: Path) -> list[dict[str, Any]]:
    import pandas

    table = pandas.read_parquet(path)
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _write_part(
    out: Path,
    rows: Sequence[dict[str, Any]],
    pixels: Iterable[tuple[Image, Sequence[Instance]]],
    classes: Sequence[str],
) -> None:
    import pandas

    (out / "images").mkdir(exist_ok=True)
    sizes: list[tuple[str, int, int]] = []
    defects: list[Sequence[Instance]] = []
    for row, (picture, instances) in zip(rows, pixels, strict=True):
        name = f"{row['id']}.png"
        write_image(out / "images" / name, picture)
        sizes.append((name, picture.shape[0], picture.shape[1]))
        defects.append(instances)
    (out / "annotations.json").write_text(json.dumps(to_coco(sizes, defects, classes)))
    pandas.DataFrame(list(rows)).to_parquet(out / "manifest.parquet", index=False)
