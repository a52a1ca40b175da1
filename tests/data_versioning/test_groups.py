"""Photos of one piece are found whatever their exposure, crop or slight turn."""

from collections import Counter

import cv2
import numpy as np
from numpy.typing import NDArray
from photos import draw_piece, expose

from components.data_versioning.groups import find_groups


def groups_of(pictures: list[NDArray[np.uint8]]) -> list[int]:
    greys = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in pictures]
    return find_groups(lambda at: greys[at], [one.shape for one in greys])


def test_exposures_and_crops_are_one_piece() -> None:
    rng = np.random.default_rng(0)
    pictures, pieces = [], []
    for number in range(14):
        whole = draw_piece(number, ("crack", "pit", "")[number % 3], 160)
        for exposure in range(4):
            y, x, h, w = rng.integers(0, 20, 4)
            pictures.append(expose(whole, exposure)[y : 160 - h, x : 160 - w])
            pieces.append(number)
    order = rng.permutation(len(pictures))
    found = groups_of([pictures[at] for at in order])
    pairs = Counter(zip(found, [pieces[at] for at in order], strict=True))
    assert len(pairs) == 14 and set(pairs.values()) == {4}


def test_a_slight_turn_is_the_same_piece() -> None:
    pictures, expected = [], []
    for number in range(8):
        piece = draw_piece(number, side=160)
        turn = cv2.getRotationMatrix2D((80, 80), 2.0, 1.01)
        again = cv2.warpAffine(expose(piece, 2), turn, (160, 160), borderMode=cv2.BORDER_REFLECT)
        pictures += [expose(piece, 0), again]
        expected += [number, number]
    assert groups_of(pictures) == expected


def test_pieces_with_the_same_print_are_not_chained() -> None:
    # A strong common pattern, as on printed or aligned objects, and a weak texture of their own.
    print_ = np.zeros((128, 128), np.uint8)
    cv2.circle(print_, (64, 64), 40, 1, 3)
    cv2.putText(print_, "AB", (30, 80), cv2.FONT_HERSHEY_SIMPLEX, 2, 1, 4)
    pictures = []
    for number in range(30):
        grey = draw_piece(number, side=128).albedo * 0.6 + 0.35 * print_
        pictures.append((np.repeat(grey[:, :, None], 3, 2) * 255).clip(0, 255).astype(np.uint8))
    assert max(Counter(groups_of(pictures)).values()) <= 2


def test_plain_and_tiny_photos_stand_alone() -> None:
    plain = [np.full((40, 40, 3), value, np.uint8) for value in (0, 90, 255)]
    assert groups_of(plain) == [0, 1, 2]
    assert groups_of(plain[:1]) == [0]
    assert len(groups_of([one[:3, :2] for one in plain])) == 3


def test_the_order_of_photos_does_not_matter() -> None:
    pictures = [expose(draw_piece(at % 6, side=96), at // 6) for at in range(18)]
    order = np.random.default_rng(1).permutation(18)
    found, shuffled = groups_of(pictures), groups_of([pictures[at] for at in order])
    assert found == [at % 6 for at in range(18)]
    assert len(set(zip([found[at] for at in order], shuffled, strict=True))) == 6
