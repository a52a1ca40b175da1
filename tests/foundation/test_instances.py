import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as rle
from pycocotools.coco import COCO

from components.instances import (
    Instance,
    box,
    class_map,
    connected,
    decode,
    encode,
    from_coco,
    to_coco,
)

MASKS = arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))


@given(MASKS)
def test_a_mask_survives_its_run_length_code(mask: np.ndarray) -> None:
    assert np.array_equal(decode(json.loads(json.dumps(encode(mask))), *mask.shape), mask)


@given(MASKS)
def test_the_box_is_the_one_pycocotools_finds(mask: np.ndarray) -> None:
    code = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    expected = rle.toBbox(code).tolist() if mask.any() else [0, 0, 0, 0]

    assert list(box(mask)) == expected


@given(MASKS, st.integers(0, 3))
def test_components_divide_the_mask(mask: np.ndarray, label: int) -> None:
    parts = connected(mask, label)

    covered = sum((part.mask.astype(int) for part in parts), np.zeros(mask.shape, int))
    assert np.array_equal(covered, mask.astype(int))
    assert all(part.label == label for part in parts)


@given(st.lists(st.tuples(arrays(bool, (12, 9)), st.integers(0, 2)), max_size=5))
def test_coco_round_trip(drawn: list[tuple[np.ndarray, int]]) -> None:
    instances = [Instance(mask, label) for mask, label in drawn]

    document = json.loads(json.dumps(to_coco([("a.png", 12, 9)], [instances], ["x", "y", "z"])))

    back = from_coco(document)["a.png"]
    assert [one.label for one in back] == [one.label for one in instances]
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(back, instances, strict=True))


def test_pycocotools_reads_the_document() -> None:
    mask = np.zeros((10, 20), bool)
    mask[2:5, 3:9] = True
    coco = COCO()
    coco.dataset = to_coco([("a.png", 10, 20)], [[Instance(mask, 1)]], ["x", "y"])
    coco.createIndex()

    (annotation,) = coco.loadAnns(coco.getAnnIds(catIds=[2]))
    assert annotation["area"] == 18
    assert annotation["bbox"] == [3, 2, 6, 3]
    assert np.array_equal(coco.annToMask(annotation).astype(bool), mask)


def test_polygons_and_uncompressed_codes_are_read() -> None:
    square = decode([[2, 2, 6, 2, 6, 6, 2, 6]], 8, 8)
    counted = decode({"size": [2, 2], "counts": [1, 2, 1]}, 2, 2)

    assert square.sum() == 16
    assert counted.tolist() == [[False, True], [True, False]]


def test_a_later_instance_wins_in_the_class_map() -> None:
    first, second = np.ones((2, 2), bool), np.array([[True, False], [False, False]])

    painted = class_map([Instance(first, 0), Instance(second, 1)], 2, 2)

    assert painted.tolist() == [[2, 1], [1, 1]]
