"""Looks at a folder of photos before any work: what is in it, and all that is wrong with it."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from components.cores import cores
from components.data_versioning.bare import bare_squares
from components.data_versioning.entry import CLEAN, Entry, Layout, as_one
from components.data_versioning.framing import framing_of
from components.data_versioning.layout import layout
from components.data_versioning.named import GROUPS, column, named_groups
from components.data_versioning.problems import BadData, Problem
from components.data_versioning.read import Fact, Reader
from components.data_versioning.settings import DataSettings
from components.store import digest_file

_FEWEST = 3
"""Photos that a class needs, one for each of train, val and test."""


@dataclass(frozen=True)
class Survey:
    """A folder that was read from end to end and found usable.

    Attributes:
        form: Name of the folder's form.
        reader: Opens its photos.
        facts: The photos to use, in the order of their ids.
        groups: Name of the piece of each photo by its file, as far as the user named it.
        digest: Of the contents and relative names of all files used, `sha256:...`.
        tiny: Number of photos left out because all their defects are too small.
        unmarked: Number of photos left out because they have no annotation.
    """

    form: str
    reader: Reader
    facts: tuple[Fact, ...]
    groups: dict[str, str]
    digest: str
    tiny: int
    unmarked: int


@dataclass(frozen=True)
class Inspection:
    """What the photos are, for the table before a run.

    Attributes:
        form: Name of the folder's form.
        digest: Of the contents and relative names of all files used, `sha256:...`.
        classes: Defect classes in the order of their labels.
        photos: Number of photos used.
        defect_free: How many of them show no defect.
        per_class: Photos that show each class.
        instances: Instances of each class.
        given: Photos of each part, where the user gave parts.
        smallest: Shorter sides of the photos start here, pixels.
        largest: Longer sides of the photos end here, pixels.
        pieces: Number of physical pieces; None where they are found from the pixels later.
        pixels: Pixels of all photos.
    """

    form: str
    digest: str
    classes: tuple[str, ...]
    photos: int
    defect_free: int
    per_class: dict[str, int]
    instances: dict[str, int]
    given: dict[str, int]
    smallest: int
    largest: int
    pieces: int | None
    pixels: int


def inspect(
    source: Path, settings: DataSettings, fractions: Sequence[float], seed: int
) -> Inspection:
    """Read every photo and mask once, and state what they are.

    Args:
        source: The folder of photos.
        settings: How they will be read.
        fractions: Fractions of the real data that subsets will be drawn for, each in (0, 1].
        seed: Seed of the splits; it does not change what is found here.

    Raises:
        BadData: With all problems of the folder.
        ValueError: If a fraction or the seed is out of its range.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}, it must be 0 or larger")
    check_fractions(fractions)
    found = survey(source, settings)
    per_class: dict[str, int] = dict.fromkeys(found.reader.classes, 0)
    instances = dict(per_class)
    given: dict[str, int] = defaultdict(int)
    for fact in found.facts:
        for name in fact.classes:
            per_class[name] += 1
        for defect in fact.defects:
            instances[found.reader.classes[defect.label]] += 1
        if fact.entry.split is not None:
            given[fact.entry.split] += 1
    return Inspection(
        form=found.form,
        digest=found.digest,
        classes=found.reader.classes,
        photos=len(found.facts),
        defect_free=sum(not fact.classes for fact in found.facts),
        per_class=per_class,
        instances=instances,
        given=dict(given),
        smallest=min(min(fact.height, fact.width) for fact in found.facts),
        largest=max(max(fact.height, fact.width) for fact in found.facts),
        pieces=len(set(found.groups.values())) if found.groups else None,
        pixels=sum(fact.height * fact.width for fact in found.facts),
    )


def parse_fractions(text: str) -> tuple[float, ...]:
    """Fractions from a text like `0.01,0.1,1`, ascending.

    Raises:
        ValueError: If it is no list of numbers in (0, 1].
    """
    try:
        fractions = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        raise ValueError(f"fractions are {text!r}, give numbers like 0.01,0.1,1") from None
    check_fractions(fractions)
    return fractions


def check_fractions(fractions: Sequence[float]) -> None:
    """Raise ValueError unless there are fractions and all lie in (0, 1]."""
    if not fractions:
        raise ValueError("no fractions, give at least one, for instance 1")
    for fraction in fractions:
        if not (math.isfinite(fraction) and 0 < fraction <= 1):
            raise ValueError(f"fraction {fraction} is not in (0, 1]; 1 % is 0.01")


def survey(source: Path, settings: DataSettings) -> Survey:
    """Read every photo and mask of a folder once.

    Raises:
        BadData: With all problems of the folder.
    """
    if not source.is_dir():
        raise BadData([Problem(str(source), "not a folder", "give the folder of the photos")])
    found = layout(source, unmarked=settings.unmarked)
    if settings.one_class:
        found = as_one(found, settings.one_class)
    problems = list(found.problems)
    # They stand in prompts, tables and terminals.
    problems += [
        Problem(name, f"class name {name!r} cannot be shown", "rename the class")
        for name in found.classes
        if not name.strip() or not name.isprintable()
    ]
    unknown = [name for name in settings.classes if name not in found.classes]
    if found.classes:
        problems += [
            Problem(name, "no such class", "choose of " + ", ".join(found.classes))
            for name in unknown
        ]
    classes = tuple(dict.fromkeys(settings.classes)) or found.classes
    reader = Reader(source, classes, settings.smallest_defect, found.legend)
    facts, broken, tiny = _facts(reader, found, problems)
    if found.legend and not settings.classes:
        reader, facts = _of_shown(reader, facts)
        classes = reader.classes
    problems += _of_contents(facts)
    if found.classes:
        known = [name for name in classes if name not in unknown]
        problems += _of_classes(facts, broken, known)
    problems += _without_defect_free(facts, settings)
    groups, group_problems = named_groups(source, [fact.entry.file for fact in facts], settings)
    problems += group_problems
    if problems:
        raise BadData(problems)
    shared = [*found.annotations, *([GROUPS] if column(source, settings) else [])]
    digest, unmarked = _digest(source, facts, shared), len(found.unmarked)
    return Survey(found.form, reader, facts, groups, digest, tiny, unmarked)


def _facts(
    reader: Reader, found: Layout, problems: list[Problem]
) -> tuple[tuple[Fact, ...], list[Entry], int]:
    """Facts of the photos to use, unusable photos, and how many are left out for tiny defects."""
    entries = [
        entry
        for entry in found.entries
        if not entry.annotated
        or entry.labels
        or any(name in (CLEAN, *reader.classes) for name, _ in (*entry.masks, *entry.shapes))
    ]
    facts: list[Fact] = []
    broken: list[Entry] = []
    with ThreadPoolExecutor(cores()) as pool:
        for entry, result in zip(entries, pool.map(reader.fact, entries), strict=True):
            if isinstance(result, Fact):
                facts.append(result)
            else:
                broken.append(entry)
                problems += result
    used = sorted((one for one in facts if not (one.tiny or one.other)), key=lambda one: one.id)
    return tuple(used), broken, sum(fact.tiny for fact in facts)


def _of_shown(reader: Reader, facts: Sequence[Fact]) -> tuple[Reader, tuple[Fact, ...]]:
    """Without the classes that a legend names and no photo shows."""
    shown = {name for fact in facts for name in fact.classes}
    classes = tuple(name for name in reader.classes if name in shown)
    labels = {old: classes.index(name) for old, name in enumerate(reader.classes) if name in shown}
    return replace(reader, classes=classes), tuple(
        replace(fact, defects=tuple(replace(one, label=labels[one.label]) for one in fact.defects))
        for fact in facts
    )


def _of_contents(facts: Sequence[Fact]) -> list[Problem]:
    """One picture in two parts that the user gave."""
    problems: list[Problem] = []
    first: dict[str, Fact] = {}
    for fact in sorted(facts, key=lambda one: one.entry.file):
        other = first.setdefault(fact.content, fact)
        if other.entry.split != fact.entry.split:
            problems.append(
                Problem(
                    fact.entry.file,
                    f"the same image as {other.entry.file}, in another part "
                    f"({fact.entry.split} and {other.entry.split})",
                    "keep it in one part only",
                )
            )
    return problems


def _of_classes(
    facts: Sequence[Fact], broken: Sequence[Entry], classes: Sequence[str]
) -> list[Problem]:
    """Too few photos of something; unusable photos count, as they will be put right."""
    problems: list[Problem] = []
    shown = [(set(fact.classes), fact.entry.split) for fact in facts] + [
        (_declared(entry, classes), entry.split) for entry in broken
    ]
    given = any(split is not None for _, split in shown)
    for name in classes:
        splits = [split for names, split in shown if name in names]
        if not any(split in (None, "train") for split in splits):
            problems.append(
                Problem(name, "class without training images", "add some, or leave the class out")
            )
        elif not given and len(splits) < _FEWEST:
            problems.append(
                Problem(
                    name,
                    f"{len(splits)} images, fewer than a fraction and its evaluation need",
                    f"every class needs {_FEWEST}: one each to train, validate and test; if what "
                    "folders are called are no classes, --set data_versioning.one_class=NAME",
                )
            )
    return problems


def _without_defect_free(facts: Sequence[Fact], settings: DataSettings) -> list[Problem]:
    """Neither a defect-free photo, nor a place in any other that could stand in for one."""
    if not facts or not all(fact.defects for fact in facts):
        return []
    framing = framing_of(
        settings.framing, [(fact.height, fact.width) for fact in facts], settings.resolution
    )
    if any(bare_squares(fact, framing, settings.resolution, seed=0) for fact in facts):
        return []
    return [
        Problem(
            ".",
            "no defect-free images, and no photo has room for half a frame beside its defects",
            "add photos without defects: with an all-black mask, or in a folder named good",
        )
    ]


def _declared(entry: Entry, classes: Sequence[str]) -> set[str]:
    """Classes that a photo's annotations are said to show; a label map could show any."""
    named = {name for name, _ in (*entry.masks, *entry.shapes)} - {CLEAN}
    return named | set(classes) if entry.labels else named


def _digest(source: Path, facts: Sequence[Fact], shared: Sequence[str]) -> str:
    """Digest of the relative names and contents of all files used."""
    files = {file: digest for fact in facts for file, digest in fact.files}
    files.update((file, digest_file(source / file)) for file in shared)
    total = hashlib.sha256()
    for file, digest in sorted(files.items()):
        total.update(f"{file}\0{digest}\n".encode(errors="surrogateescape"))
    return f"sha256:{total.hexdigest()}"
