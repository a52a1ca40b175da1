"""The synthetic set: what every method of this project makes.

    images/              the images, PNG
    annotations.json     their defects, COCO instances, every one the mask it was made from
    provenance.parquet   one row an image: how it was made
    rejected/            images that their method refused, PNG; nothing is trained on them
    rejected.json        their defects

Every method's provenance has the columns of `Provenance` and may have more. Rejected images are
in it too: the column `accepted`, where there is one, tells.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from components.dataset import Image, read_image
from components.instances import Instance, class_map, decode, to_coco


@dataclass(frozen=True)
class Provenance:
    """How a synthetic image was made, the part that all methods share.

    Attributes:
        id: Stable name, unique in the set; the image's file is `<id>.png`.
        source: Id of the defect-free frame whose geometry it has.
        ground: Name of the version of that frame that it was drawn on, and of the group that shares
            it. Images that share it, and keep it around their defects, can be shown as one
            (`components.mask_rcnn.joined`).
        mask: Id of the annotated frame whose mask was taken.
        driver: Name of what conditioned it; images that share it differ by their seed alone.
        defect: Name of the defect class.
        prompt: Text that conditioned it.
        seed: Seed of its noise.
    """

    id: str
    source: str
    ground: str
    mask: str
    driver: str
    defect: str
    prompt: str
    seed: int


P = TypeVar("P", bound=Provenance)


def varied(images: Iterable[P], classes: Sequence[str], count: int) -> list[P]:
    """The first images of some drivers, for a picture that shows what there is.

    The classes come in turn, and of each the grounds that were shown least.

    Args:
        images: Images to choose from.
        classes: Class names in the order in which they come.
        count: Most drivers to choose.
    """
    left: dict[str, P] = {}
    for one in images:
        left.setdefault(one.driver, one)
    order = {name: place for place, name in enumerate(classes)}
    shown: Counter[tuple[str, str]] = Counter()
    chosen: list[P] = []
    while left and len(chosen) < count:
        best = min(
            left.values(),
            key=lambda one: (
                shown["class", one.defect],
                order.get(one.defect, len(order)),
                shown["ground", one.ground],
            ),
        )
        shown.update([("class", best.defect), ("ground", best.ground)])
        chosen.append(left.pop(best.driver))
    return chosen


class SyntheticSet:
    """Read-only view of a synthetic set."""

    def __init__(self, path: Path) -> None:
        """Open the set in `path`; pictures are read when asked for."""
        self.path = path

    @cached_property
    def images(self) -> list[Provenance]:
        """The set's images, in the order of their ids."""
        return self._rows[0]

    @cached_property
    def rejected(self) -> list[Provenance]:
        """Images that were refused, in the order of their ids."""
        return self._rows[1]

    def image(self, one: Provenance) -> Image:
        """The pixels of an image, rejected or not, (side, side, 3)."""
        name = f"{one.id}.png"
        folder = "rejected" if name in self._refused else "images"
        return read_image(self.path / folder / name)

    def instances(self, one: Provenance) -> list[Instance]:
        """The image's defects, as they were asked for."""
        size, annotations = self._annotations[f"{one.id}.png"]
        return [
            Instance(decode(annotation["segmentation"], *size), annotation["category_id"] - 1)
            for annotation in annotations
        ]

    def class_map(self, one: Provenance) -> NDArray[np.uint8]:
        """The image's defects as one map: label + 1, or 0."""
        size, _ = self._annotations[f"{one.id}.png"]
        return class_map(self.instances(one), *size)

    @cached_property
    def _rows(self) -> tuple[list[Provenance], list[Provenance]]:
        import pandas

        names = list(Provenance.__dataclass_fields__)
        table = pandas.read_parquet(self.path / "provenance.parquet")
        kept = table["accepted"] if "accepted" in table else np.ones(len(table), bool)
        accepted, rejected = (
            [Provenance(*row) for row in table.loc[chosen, names].itertuples(index=False)]
            for chosen in (np.asarray(kept, bool), ~np.asarray(kept, bool))
        )
        return accepted, rejected

    @cached_property
    def _refused(self) -> frozenset[str]:
        return frozenset(f"{one.id}.png" for one in self.rejected)

    @cached_property
    def _annotations(self) -> dict[str, tuple[tuple[int, int], list[dict[str, Any]]]]:
        files = ["annotations.json", *(["rejected.json"] if self.rejected else [])]
        found: dict[str, tuple[tuple[int, int], list[dict[str, Any]]]] = {}
        for name in files:
            found |= self._read(name)
        return found

    def _read(self, file: str) -> dict[str, tuple[tuple[int, int], list[dict[str, Any]]]]:
        document = json.loads((self.path / file).read_text())
        images = {image["id"]: image for image in document["images"]}
        found: dict[str, tuple[tuple[int, int], list[dict[str, Any]]]] = {
            image["file_name"]: ((image["height"], image["width"]), []) for image in images.values()
        }
        for annotation in document["annotations"]:
            found[images[annotation["image_id"]]["file_name"]][1].append(annotation)
        return found


def write_annotations(
    out: Path,
    provenance: Sequence[Mapping[str, Any]],
    instances: Iterable[Sequence[Instance]],
    side: int,
    classes: Sequence[str],
) -> None:
    """Write the annotations and `provenance.parquet` beside the folders of images.

    Args:
        out: The synthetic set's folder; its images are there already.
        provenance: One row an image, in the order of the ids, `Provenance`'s columns and more;
            `accepted` may be one of them.
        instances: The defects of every image, in the same order.
        side: Height and width of the images, pixels.
        classes: Class names; their order defines the labels.
    """
    import pandas

    rows = list(zip(provenance, instances, strict=True))
    for accepted, file in ((True, "annotations.json"), (False, "rejected.json")):
        some = [(row, found) for row, found in rows if row.get("accepted", True) is accepted]
        if some or accepted:
            names = [(f"{row['id']}.png", side, side) for row, _ in some]
            document = to_coco(names, [found for _, found in some], classes)
            (out / file).write_text(json.dumps(document))
    pandas.DataFrame(list(provenance)).to_parquet(out / "provenance.parquet", index=False)
