"""The step: reads, groups, splits and frames the photos, and writes the dataset artifact."""

import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np

from components.cores import cores
from components.data_versioning.bare import bare_squares
from components.data_versioning.framing import Square, cut, cut_instances, framing_of, squares
from components.data_versioning.groups import find_groups
from components.data_versioning.inspect import Survey, parse_fractions, survey
from components.data_versioning.preview import write_previews
from components.data_versioning.problems import BadData, Problem
from components.data_versioning.read import Fact, in_order
from components.data_versioning.settings import DataSettings
from components.data_versioning.split import Item, Place, place, subset_size
from components.dataset import About, Frame, Image, Photo, Split, write_dataset
from components.fraction import percent
from components.instances import Instance
from components.outcome import Outcome
from components.progress import say, track

_FEW_TEST, _FEW_TEST_OF_CLASS = 30, 10


def version(
    out: Path, settings: DataSettings, source: Path, fractions: str, seed: int, digest: str
) -> Outcome:
    """Turn a folder of photos into the dataset artifact.

    Args:
        out: Folder of the artifact; emptied first, as nothing in it takes long to make.
        settings: How photos are read, split and framed.
        source: The folder of photos.
        fractions: Fractions of the annotated training photos to draw nested subsets for, in
            (0, 1], separated by commas.
        seed: Seed of the splits, the subsets and the places of windows.
        digest: What `inspect` found, `sha256:...`; not checked when empty.

    Raises:
        BadData: If the folder has problems, all of them, or a fraction has nothing defect-free.
        ValueError: If the photos are not those of the digest, or a fraction is out of range.
    """
    wanted = parse_fractions(fractions)
    found = survey(source, settings)
    if digest and digest != found.digest:
        raise ValueError(
            f"the photos have digest {found.digest}, not {digest}: they were changed since they "
            "were inspected; put the old ones back, or start again with the new ones"
        )
    for left in out.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()

    facts = found.facts
    say(f"{len(facts)} photos in the form {found.form}")
    groups, grouping = _groups(found, settings)
    places = place(
        [
            Item(fact.id, fact.classes, groups[fact.id], fact.entry.split)
            for fact in facts
        ],
        val_share=settings.val_share,
        test_share=settings.test_share,
        fractions=wanted,
        seed=seed,
    )  # fmt: skip
    framing = framing_of(
        settings.framing, [(fact.height, fact.width) for fact in facts], settings.resolution
    )
    photos = [_photo(fact, groups[fact.id], places[fact.id]) for fact in facts]
    frames = _frames(facts, photos, framing, settings, seed)
    _check_defect_free(frames, wanted)
    about = About(
        classes=found.reader.classes,
        resolution=settings.resolution,
        framing=framing,
        source=f"{len(facts)} photos, {found.form}",
        digest=found.digest,
        fractions=wanted,
        grouping=grouping,
    )
    write_dataset(
        out, about, photos, _photo_pixels(found), frames, _frame_pixels(found, frames, about)
    )
    write_previews(out)
    return Outcome(
        metrics=_metrics(photos, frames), warnings=_warnings(found, photos, frames, about)
    )


def _groups(found: Survey, settings: DataSettings) -> tuple[dict[str, str], str]:
    """Group of every photo by its id, and how groups were found."""
    facts = found.facts
    if found.groups:
        grouping = "pattern" if settings.group_pattern else "column"
        names = [found.groups[fact.entry.file] for fact in facts]
    else:
        grouping = "pixels"
        numbers = find_groups(
            lambda at: found.reader.grey(facts[at].entry),
            [(one.height, one.width) for one in facts],
        )
        names = [f"piece-{number:04d}" for number in numbers]
    # One picture twice is one piece, whatever anybody says.
    first: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for fact, name in zip(facts, names, strict=True):
        renamed[name] = first.setdefault(fact.content, renamed.get(name, name))
    return {
        fact.id: _last(renamed, name) for fact, name in zip(facts, names, strict=True)
    }, grouping  # fmt: skip


def _last(renamed: dict[str, str], name: str) -> str:
    """Where a chain of renamings ends."""
    seen = {name}
    while renamed[name] not in seen:
        name = renamed[name]
        seen.add(name)
    return name


def _photo(fact: Fact, group: str, at: Place) -> Photo:
    return Photo(
        id=fact.id,
        file=fact.entry.file,
        sha256=fact.sha256,
        width=fact.width,
        height=fact.height,
        classes=fact.classes,
        split=at.split,
        group=group,
        fraction=at.fraction,
    )


def _frames(
    facts: Sequence[Fact],
    photos: Sequence[Photo],
    framing: Literal["photo", "window"],
    settings: DataSettings,
    seed: int,
) -> list[Frame]:
    """All frames, in the order of their ids."""
    provided = {photo.split for photo in photos if photo.defect_free}
    frames: list[Frame] = []
    for fact, photo in zip(facts, photos, strict=True):
        usual = squares(
            framing,
            (fact.height, fact.width),
            fact.defects,
            resolution=settings.resolution,
            clean_windows=settings.clean_windows,
            seed=seed,
            name=fact.id,
        )
        bare = (
            []
            if photo.split in provided
            else bare_squares(fact, framing, settings.resolution, seed)
        )
        frames += [
            Frame(
                id=f"{photo.id}-{number:02d}",
                photo=photo.id,
                x=x,
                y=y,
                side=side,
                split=photo.split,
                group=photo.group,
                fraction=photo.fraction,
                defect_free=photo.defect_free or number >= len(usual),
            )
            for number, (x, y, side) in enumerate(usual + bare)
        ]
    return _thinned(sorted(frames, key=lambda frame: frame.id), settings.clean_ratio, seed)


def _thinned(frames: Sequence[Frame], ratio: float, seed: int) -> list[Frame]:
    """The frames, with a seeded draw of the defect-free ones of the validation and test parts."""
    dropped: set[str] = set()
    for number, split in enumerate(("val", "test")):
        clean = [one.id for one in frames if one.split == split and one.defect_free]
        annotated = sum(one.split == split and not one.defect_free for one in frames)
        most = math.ceil(ratio * annotated)
        order = np.random.default_rng([seed, number]).permutation(len(clean))
        dropped |= {clean[at] for at in order[most:]}
    return [one for one in frames if one.id not in dropped]


def _check_defect_free(frames: Sequence[Frame], fractions: Sequence[float]) -> None:
    """Raise BadData unless every fraction has a defect-free training frame to put defects on."""
    least = [
        -math.inf if math.isnan(frame.fraction) else frame.fraction
        for frame in frames
        if frame.split == "train" and frame.defect_free
    ]
    without = [one for one in fractions if one < min(least, default=math.inf) - 1e-9]
    if without:
        raise BadData(
            [
                Problem(
                    percent(fraction),
                    "the training photos of this fraction have no defect-free place to put "
                    "defects on, and there is no defect-free photo",
                    "add photos without defects, leave the fraction out, or take another seed",
                )
                for fraction in without
            ]
        )


def _photo_pixels(found: Survey) -> Iterator[tuple[Image, Sequence[Instance]]]:
    with ThreadPoolExecutor(cores()) as pool:
        opened = in_order(pool, lambda fact: found.reader.open(fact.entry), found.facts)
        yield from track(opened, "writing photos", total=len(found.facts), unit="photos")


def _frame_pixels(
    found: Survey, frames: Sequence[Frame], about: About
) -> Iterator[tuple[Image, Sequence[Instance]]]:
    facts = {fact.id: fact for fact in found.facts}
    wanted: dict[str, list[Square]] = defaultdict(list)
    for frame in frames:
        wanted[frame.photo].append((frame.x, frame.y, frame.side))

    def frames_of(photo: str) -> list[tuple[Image, list[Instance]]]:
        picture, instances = found.reader.open(facts[photo].entry)
        return [
            (
                cut(picture, square, about.resolution),
                cut_instances(instances, square, about.resolution),
            )
            for square in wanted[photo]
        ]

    # The frames of a photo follow each other, as their ids start with its id.
    with ThreadPoolExecutor(cores()) as pool:
        for pairs in track(
            in_order(pool, frames_of, wanted), "cutting frames", total=len(wanted), unit="photos"
        ):
            yield from pairs


def _metrics(photos: Sequence[Photo], frames: Sequence[Frame]) -> dict[str, float]:
    sizes = Counter(photo.group for photo in photos)
    metrics: dict[str, float] = {
        "photos": len(photos),
        "defect_free": sum(photo.defect_free for photo in photos),
        "groups": len(sizes),
        "largest_group": max(sizes.values()),
        "frames": len(frames),
    }
    for split in ("train", "val", "test"):
        metrics[f"photos_{split}"] = sum(photo.split == split for photo in photos)
        metrics[f"frames_{split}"] = sum(
            frame.split == split and not frame.defect_free for frame in frames
        )
        metrics[f"defect_free_frames_{split}"] = sum(
            frame.split == split and frame.defect_free for frame in frames
        )
    return metrics


def _warnings(
    found: Survey, photos: Sequence[Photo], frames: Sequence[Frame], about: About
) -> list[str]:
    """What a reader must know of the data before the numbers."""
    return [
        *_about_tests(photos, about),
        *_about_defect_free(photos, frames),
        *_about_groups(photos, about),
        *_about_fractions(photos, about),
        *_about_left_out(found),
    ]


def _about_left_out(found: Survey) -> Iterator[str]:
    if found.tiny:
        yield f"{found.tiny} photos are left out: all their defects are below the smallest size."
    if found.unmarked:
        yield f"{found.unmarked} photos are left out: they have no mask and no annotation."


def _about_tests(photos: Sequence[Photo], about: About) -> Iterator[str]:
    tests = [photo for photo in photos if photo.split == "test" and photo.classes]
    pieces = len({photo.group for photo in tests})
    if len(tests) < _FEW_TEST or pieces < _FEW_TEST:
        yield (
            f"The test part has {len(tests)} annotated photos of {pieces} pieces: "
            "differences between regimes are uncertain."
        )
    for split in ("train", "val", "test"):
        for name in about.classes:
            count = sum(photo.split == split and name in photo.classes for photo in photos)
            if count == 0:
                yield f"The {split} part has no photo of class {name}."
            elif split == "test" and count < _FEW_TEST_OF_CLASS:
                yield f"Class {name} has only {count} test photos."


def _about_defect_free(photos: Sequence[Photo], frames: Sequence[Frame]) -> Iterator[str]:
    given = {photo.split for photo in photos if photo.defect_free}
    bare = Counter(frame.split for frame in frames if frame.defect_free)
    every: tuple[Split, ...] = ("train", "val", "test")
    without = [split for split in every if split not in given]
    standing = [split for split in without if bare[split]]
    for split in without:
        if split not in standing:
            yield f"The {split} part has no defect-free photo."
    if standing:
        counts = ", ".join(f"{bare[split]} in {split}" for split in standing)
        yield (
            f"Squares of annotated photos, where no defect is annotated ({counts}), stand in for "
            "defect-free photos, of which these parts have none."
        )


def _about_groups(photos: Sequence[Photo], about: About) -> Iterator[str]:
    parts: dict[str, set[str]] = defaultdict(set)
    sizes = Counter(photo.group for photo in photos)
    for photo in photos:
        parts[photo.group].add(photo.split)
    if about.grouping == "pixels":
        yield (
            f"Which photos show the same piece was found from the pixels: {len(photos)} photos, "
            f"{len(sizes)} pieces. Look at the preview of groups; a column or a pattern is safer."
        )
    across = sum(len(found) > 1 for found in parts.values())
    if across:
        yield (
            f"{across} pieces have photos in more than one of the given parts: "
            "scores on the test part are too good by an unknown amount."
        )
    largest = max(sizes.values())
    if largest > max(24, len(photos) // 10):
        yield f"One group has {largest} of {len(photos)} photos: check that it is one piece."


def _about_fractions(photos: Sequence[Photo], about: About) -> Iterator[str]:
    training = [photo for photo in photos if photo.split == "train" and photo.classes]
    classes = len({name for photo in training for name in photo.classes})
    sizes: dict[int, list[float]] = defaultdict(list)
    for fraction in about.fractions:
        size = subset_size(fraction, len(training), classes)
        sizes[size].append(fraction)
        if size > round(fraction * len(training)) + 1:
            yield (
                f"The {percent(fraction)} subset has {size} photos, one of each class, "
                f"which is {percent(round(size / len(training), 3))} of {len(training)}."
            )
    for size, same in sizes.items():
        if len(same) > 1:
            names = " and ".join(percent(fraction) for fraction in same)
            yield f"The subsets of {names} are the same {size} photos."
