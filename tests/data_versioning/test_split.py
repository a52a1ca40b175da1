"""Splits are disjoint, nested, group-safe and stratified, whatever the photos."""

import math
from collections import Counter, defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from components.data_versioning.split import Item, Place, place, subset_size

FRACTIONS = (0.01, 0.1, 0.5, 1.0)


@st.composite
def photos(draw: st.DrawFn, parts: bool = False) -> list[Item]:
    """Groups of 1 to 7 photos of three classes, or of none, some of two classes."""
    items: list[Item] = []
    for group in range(draw(st.integers(1, 25))):
        kinds = draw(
            st.sampled_from([(), ("a",), ("b",), ("c",), ("a", "b"), ("b", "c"), ("a",), ("b",)])
        )
        part = draw(st.sampled_from(["train", "test"])) if parts else None
        for number in range(draw(st.integers(1, 7))):
            clean = draw(st.booleans()) and draw(st.booleans())
            classes = () if clean else kinds
            items.append(Item(f"g{group}-{number}", classes, f"g{group}", part))
    return items


def placed(items: list[Item], seed: int = 0) -> dict[str, Place]:
    return place(items, val_share=0.15, test_share=0.25, fractions=FRACTIONS, seed=seed)


@given(photos(), st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_order_does_not_matter(items: list[Item], seed: int, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(items)
    random.shuffle(shuffled)
    assert str(sorted(placed(items, seed).items())) == str(sorted(placed(shuffled, seed).items()))


@given(photos(), st.integers(0, 2**31))
def test_every_photo_has_one_place_and_a_group_one_part(items: list[Item], seed: int) -> None:
    places = placed(items, seed)
    assert places.keys() == {item.id for item in items}
    parts: dict[str, set[str]] = defaultdict(set)
    for item in items:
        parts[item.group].add(places[item.id].split)
    assert all(len(found) == 1 for found in parts.values())


@given(photos(), st.integers(0, 2**31))
def test_subsets_are_nested_of_the_right_size_and_hold_every_class(
    items: list[Item], seed: int
) -> None:
    places = placed(items, seed)
    training = [one for one in items if one.classes and places[one.id].split == "train"]
    for item in items:
        assert math.isnan(places[item.id].fraction) == (item not in training)
    classes = {name for one in training for name in one.classes}
    # A subset is all photos with a fraction up to its own, so nesting holds by construction;
    # sizes and classes do not.
    for fraction in FRACTIONS:
        subset = [one for one in training if places[one.id].fraction <= fraction]
        assert len(subset) == subset_size(fraction, len(training), len(classes))
        assert {name for one in subset for name in one.classes} == classes


@given(photos(), st.integers(0, 2**31))
def test_a_class_has_training_photos_first_and_every_part_where_it_can(
    items: list[Item], seed: int
) -> None:
    places = placed(items, seed)
    groups: dict[str, set[str]] = defaultdict(set)
    shared: set[str] = set()
    for item in items:
        for name in item.classes:
            groups[name].add(item.group)
        if len(item.classes) > 1:
            shared |= set(item.classes)
    for name, own in groups.items():
        found = {places[item.id].split for item in items if item.group in own}
        assert "train" in found or name in shared
        if len(own) >= 3 and name not in shared:
            assert found == {"train", "val", "test"}


@settings(max_examples=30)
@given(st.integers(10, 40), st.integers(1, 6), st.integers(0, 2**31))
def test_shares_are_kept_to_within_a_group(groups: int, size: int, seed: int) -> None:
    items = [
        Item(f"{name}{group}-{number}", (name,) if name else (), f"{name}{group}")
        for name in ("a", "b", "")
        for group in range(groups)
        for number in range(size)
    ]
    places = placed(items, seed)
    for name in ("a", "b", ""):
        own = [one for one in items if one.classes == ((name,) if name else ())]
        parts = Counter(places[one.id].split for one in own)
        assert abs(parts["test"] - 0.25 * len(own)) <= size
        assert abs(parts["val"] - 0.15 * len(own)) <= size


@given(photos(parts=True), st.integers(0, 2**31))
def test_parts_of_the_user_are_kept_and_val_comes_from_train(items: list[Item], seed: int) -> None:
    places = placed(items, seed)
    given_parts = {item.given for item in items}
    for item in items:
        if item.given == "test":
            assert places[item.id].split == "test"
        elif "test" in given_parts:
            assert places[item.id].split in ("train", "val")


def test_another_seed_gives_other_splits_and_subsets() -> None:
    items = [Item(f"{at}", ("a",), f"{at}") for at in range(100)]
    one, two = placed(items, 0), placed(items, 1)
    assert {k for k, v in one.items() if v.split == "test"} != {
        k for k, v in two.items() if v.split == "test"
    }
    assert {k for k, v in one.items() if v.fraction == 0.01} != {
        k for k, v in two.items() if v.fraction == 0.01
    }


def test_subsets_hold_the_classes_in_their_proportions() -> None:
    items = [
        Item(f"{n}{at}", (n,), f"{n}{at}") for n, k in (("a", 300), ("b", 100)) for at in range(k)
    ]
    places = placed(items)
    subset = [one for one in items if places[one.id].fraction <= 0.1]
    assert Counter(one.classes[0] for one in subset) == {"a": 18, "b": 6}
