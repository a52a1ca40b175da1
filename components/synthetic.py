"""The synthetic set: what every method of this project makes.

    images/              the images, PNG
    annotations.json     their defects, COCO instances, every one the mask it was made from
    provenance.parquet   one row an image: how it was made

Every method's provenance has the columns of `Provenance` and may have more.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

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
        mask: Id of the annotated frame whose mask was taken.
        driver: Name of what conditioned it; images that share it differ by their seed alone.
        defect: Name of the defect class.
        prompt: Text that conditioned it.
        seed: Seed of its noise.
    """

    id: str
    source: str
    mask: str
    driver: str
    defect: str
    prompt: str
    seed: int


class SyntheticSet:
    """Read-only view of a synthetic set."""

    def __init__(self, path: Path) -> None:
        """Open the set in `path`; pictures are read when asked for."""
        self.path = path

    @cached_property
    def images(self) -> list[Provenance]:
        """All images, in the order of their ids."""
        import pandas

        names = list(Provenance.__dataclass_fields__)
        table = pandas.read_parquet(self.path / "provenance.parquet", columns=names)
        return [Provenance(*row) for row in table[names].itertuples(index=False)]

    def image(self, one: Provenance) -> Image:
        """The image's pixels, (side, side, 3)."""
        return read_image(self.path / "images" / f"{one.id}.png")

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
    def _annotations(self) -> dict[str, tuple[tuple[int, int], list[dict[str, Any]]]]:
        document = json.loads((self.path / "annotations.json").read_text())
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
    """Write `annotations.json` and `provenance.parquet` beside a folder of images.

    Args:
        out: The synthetic set's folder; its images are there already.
        provenance: One row an image, in the order of the ids, `Provenance`'s columns and more.
        instances: The defects of every image, in the same order.
        side: Height and width of the images, pixels.
        classes: Class names; their order defines the labels.
    """
    import pandas

    names = [(f"{row['id']}.png", side, side) for row in provenance]
    document = to_coco(names, list(instances), classes)
    (out / "annotations.json").write_text(json.dumps(document))
    pandas.DataFrame(list(provenance)).to_parquet(out / "provenance.parquet", index=False)
