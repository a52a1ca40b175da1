"""Label maps: one mask file a photo, whose values name classes as `classes.txt` lists them."""

from dataclasses import replace
from itertools import dropwhile
from pathlib import Path

from components.data_versioning.entry import ANONYMOUS, Layout
from components.data_versioning.problems import Problem

NAMES = "classes.txt"
"""In the root: names of the values 1, 2, ..., one a line; before them may stand `background`."""

_NOTHING = frozenset({"__ignore__", "background", "_background_"})
"""What may stand first without being a class; labelme's lists begin with the first and the last."""


def with_label_maps(root: Path, found: Layout) -> Layout:
    """The layout with masks of no class taken for what `classes.txt` says, if there is one.

    One name is that of all such masks; with several, they are label maps.
    """
    path = root / NAMES
    if not path.is_file() or not any(one == ANONYMOUS for one in found.classes):
        return found
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        found.problems.append(Problem(NAMES, f"cannot be read ({error})", "save it as UTF-8 text"))
        return found
    names = tuple(dropwhile(lambda name: name.lower() in _NOTHING, filter(None, lines)))
    if not names or len(set(names)) < len(names):
        found.problems.append(
            Problem(NAMES, "names no class, or one twice", "write one name a line, for 1, 2, ...")
        )
        return found
    for number, entry in enumerate(found.entries):
        own = [file for name, file in entry.masks if name == ANONYMOUS]
        rest = tuple(one for one in entry.masks if one[0] != ANONYMOUS)
        if own and len(names) > 1:
            found.problems += [
                Problem(file, f"a second label map of {entry.file}", "keep one") for file in own[1:]
            ]
            found.entries[number] = replace(entry, masks=rest, labels=own[0])
        elif own:
            found.entries[number] = replace(entry, masks=(*rest, *((names[0], one) for one in own)))
    others = [name for name in found.classes if name not in (ANONYMOUS, *names)]
    found.classes = (*names, *others)
    found.values = names if len(names) > 1 else ()
    found.annotations = (*found.annotations, NAMES)
    return found
