"""Decides which part, and which fraction of the training part, every photo belongs to.

A pure function of names, classes, groups and the seed. Groups are dealt to the parts class by
class, the class with the fewest groups first, so that each class comes near its shares and has a
group in every part as soon as it has three. Defect-free photos are dealt like a class of their
own. Parts that the user gave are kept; what is missing is dealt from the user's training part.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.dataset import Split

_PARTS: tuple[Split, ...] = ("train", "val", "test")
_CLEAN = ""


@dataclass(frozen=True)
class Item:
    """A photo, as far as splits are concerned.

    Attributes:
        id: Its name.
        classes: Its defect classes; empty if it is defect-free.
        group: The physical piece it shows.
        given: The part the user put it in, if any.
    """

    id: str
    classes: tuple[str, ...]
    group: str
    given: Split | None = None


@dataclass(frozen=True)
class Place:
    """Where a photo went.

    Attributes:
        split: Its part.
        fraction: The smallest fraction whose subset holds it; NaN outside the annotated training
            part.
    """

    split: Split
    fraction: float


def place(
    items: Sequence[Item],
    *,
    val_share: float,
    test_share: float,
    fractions: Sequence[float],
    seed: int,
) -> dict[str, Place]:
    """The place of every photo by its id, whatever the order of the photos.

    Args:
        items: The photos.
        val_share: Share of each class's photos for the validation part.
        test_share: Share of each class's photos for the test part.
        fractions: Fractions of the annotated training part to draw nested subsets for, 0 .. 1.
        seed: Decides the dealing and the subsets.
    """
    items = sorted(items, key=lambda item: item.id)
    splits = _dealt(items, {"val": val_share, "test": test_share}, seed)
    training = [item for item in items if item.classes and splits[item.id] == "train"]
    fraction = _nested(training, fractions, seed)
    return {item.id: Place(splits[item.id], fraction.get(item.id, math.nan)) for item in items}


def subset_size(fraction: float, photos: int, classes: int) -> int:
    """Number of photos in the subset of a fraction: its share, but at least one a class."""
    return min(photos, max(math.ceil(round(fraction * photos, 6)), classes))


def _dealt(items: Sequence[Item], shares: dict[Split, float], seed: int) -> dict[str, Split]:
    given = {item.given for item in items}
    splits: dict[str, Split] = {}
    free: list[Item] = []
    for item in items:
        # What the user gave is kept, but for the parts that have to be taken from it.
        if item.given in ("val", "test"):
            splits[item.id] = item.given
        else:
            free.append(item)
    open_parts = [part for part in _PARTS if part == "train" or part not in given]
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in free:
        groups[item.group].append(item)
    size: dict[str, dict[str, int]] = {name: _counts(members) for name, members in groups.items()}
    total = _counts(items)
    want: dict[Split, dict[str, float]] = {
        part: {kind: shares[part] * count for kind, count in total.items()}
        for part in open_parts
        if part != "train"
    }
    have: dict[Split, dict[str, int]] = {part: defaultdict(int) for part in open_parts}
    of_group: dict[str, Split] = {}
    for kind in _rarest_first(size):
        of_kind = sorted(name for name in groups if kind in size[name])
        rng = np.random.default_rng([seed, *kind.encode(), len(of_kind)])
        of_kind = [of_kind[at] for at in rng.permutation(len(of_kind))]
        waiting = [name for name in of_kind if name not in of_group]
        here = {part: sum(of_group.get(name) == part for name in of_kind) for part in open_parts}
        for number, name in enumerate(waiting):
            part = _next_part(kind, size[name][kind], len(waiting) - number, want, have, here)
            of_group[name] = part
            here[part] += 1
            for one, count in size[name].items():
                have[part][one] += count
    for name, members in groups.items():
        splits.update((item.id, of_group[name]) for item in members)
    return splits


def _next_part(
    kind: str,
    photos: int,
    left: int,
    want: dict[Split, dict[str, float]],
    have: dict[Split, dict[str, int]],
    here: dict[Split, int],
) -> Split:
    """The part of the next group: training first, then test and val, then where most is missing.

    Args:
        kind: The class being dealt.
        photos: The group's photos of that class.
        left: Groups of the class still to deal, this one included.
        want: Photos of each class that val and test should get.
        have: Photos of each class that each part has.
        here: Groups of the class that each part has.
    """
    if not here["train"]:
        return "train"
    missing = {part: want[part][kind] - have[part][kind] for part in want}
    empty: list[Split] = [part for part in ("test", "val") if part in want and not here[part]]
    if empty and (left <= len(empty) or photos <= 1.5 * want[empty[0]][kind]):
        return empty[0]
    if empty or not missing:
        return "train"
    # A group goes where it closes a gap of more than half its size.
    gap, part = max((gap, part) for part, gap in missing.items())
    return part if gap > photos / 2 else "train"


def _nested(items: Sequence[Item], fractions: Sequence[float], seed: int) -> dict[str, float]:
    """The smallest fraction whose subset holds each photo of the annotated training part."""
    classes = sorted({name for item in items for name in item.classes})
    ordered = _spread(items, seed)
    first: list[Item] = []
    for name in classes:
        if not any(name in item.classes for item in first):
            first.append(next(item for item in ordered if name in item.classes))
    ordered = first + [item for item in ordered if item not in first]
    found: dict[str, float] = {}
    for fraction in sorted(set(fractions) | {1.0}):
        for item in ordered[: subset_size(fraction, len(ordered), len(classes))]:
            found.setdefault(item.id, float(fraction))
    return found


def _spread(items: Sequence[Item], seed: int) -> list[Item]:
    """Photos in a seeded order in which every start holds the classes in their proportions."""
    by_class: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_class[item.classes[0]].append(item)
    keyed: list[tuple[float, str, Item]] = []
    for name, members in sorted(by_class.items()):
        rng = np.random.default_rng([seed, *name.encode(), 1])
        for rank, at in enumerate(rng.permutation(len(members))):
            keyed.append(((rank + 0.5) / len(members), name, members[at]))
    return [item for _, _, item in sorted(keyed, key=lambda one: one[:2])]


def _counts(items: Sequence[Item]) -> dict[str, int]:
    """Number of photos of each class; defect-free ones under their own name."""
    counts: dict[str, int] = defaultdict(int)
    for item in items:
        for kind in item.classes or (_CLEAN,):
            counts[kind] += 1
    return dict(counts)


def _rarest_first(size: dict[str, dict[str, int]]) -> list[str]:
    """Classes by the number of their groups; defect-free photos last."""
    groups: dict[str, int] = defaultdict(int)
    for counts in size.values():
        for kind in counts:
            groups[kind] += 1
    return sorted(groups, key=lambda kind: (kind == _CLEAN, groups[kind], kind))
