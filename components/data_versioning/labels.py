"""Label maps: one mask file a photo, whose values or colours name classes.

`classes.txt` in the root names the values 1, 2, ..., one a line. `labelmap.txt` names colours, as
CVAT writes it: a line `crack:250,50,83::` a class.
"""

import re
from dataclasses import replace
from itertools import dropwhile
from pathlib import Path

from components.data_versioning.decode import Colour, Legend
from components.data_versioning.entry import ANONYMOUS, Layout
from components.data_versioning.problems import Problem

NAMES = "classes.txt"
COLOURS = "labelmap.txt"

_NOTHING = frozenset({"__ignore__", "background", "_background_"})
"""What may be named without being a class; labelme's lists begin with the first and the last."""

_COLOURED = re.compile(r"(?P<name>[^:]+):(?P<red>\d+),(?P<green>\d+),(?P<blue>\d+)(:.*)?")


def with_label_maps(root: Path, found: Layout) -> Layout:
    """The layout with masks of no class taken for what a legend says, if there is one.

    One name in `classes.txt` is that of all such masks; otherwise they are label maps.
    """
    file = next((name for name in (COLOURS, NAMES) if (root / name).is_file()), None)
    if file is None or not any(one == ANONYMOUS for one in found.classes):
        return found
    try:
        lines = [line.strip() for line in (root / file).read_text("utf-8-sig").splitlines()]
        legend = _coloured(lines) if file == COLOURS else _numbered(lines)
    except OSError as error:
        found.problems.append(Problem(file, f"cannot be read ({error})", "save it as UTF-8 text"))
        return found
    except ValueError as error:
        found.problems.append(Problem(file, str(error), _REMEDIES[file]))
        return found
    maps = bool(legend.colours) or len(legend.names) > 1
    for number, entry in enumerate(found.entries):
        own = [mask for name, mask in entry.masks if name == ANONYMOUS]
        rest = tuple(one for one in entry.masks if one[0] != ANONYMOUS)
        if own and maps:
            found.problems += [
                Problem(mask, f"a second label map of {entry.file}", "keep one") for mask in own[1:]
            ]
            found.entries[number] = replace(entry, masks=rest, labels=own[0])
        elif own:
            named = ((legend.names[0], mask) for mask in own)
            found.entries[number] = replace(entry, masks=(*rest, *named))
    others = [name for name in found.classes if name not in (ANONYMOUS, *legend.names)]
    found.classes = (*legend.names, *others)
    found.legend = legend if maps else None
    found.annotations = (*found.annotations, file)
    return found


_REMEDIES = {
    NAMES: "write one name a line, for 1, 2, ...",
    COLOURS: "write a line `name:red,green,blue::` a class, each with a colour of its own",
}


def _numbered(lines: list[str]) -> Legend:
    names = tuple(dropwhile(lambda name: name.lower() in _NOTHING, filter(None, lines)))
    if not names or len(set(names)) < len(names):
        raise ValueError("names no class, or one twice")
    return Legend(NAMES, names)


def _coloured(lines: list[str]) -> Legend:
    names: dict[str, Colour] = {}
    ground: set[Colour] = set()
    for line in lines:
        if not line or line.startswith("#"):
            continue
        match = _COLOURED.fullmatch(line)
        colour = tuple(int(match[one]) for one in ("red", "green", "blue")) if match else ()
        if not match or max(colour) > 255 or match["name"] in names:
            raise ValueError(f"the line {line[:60]!r} names no colour, or a class twice")
        red, green, blue = colour
        if match["name"].lower() in _NOTHING:
            ground.add((red, green, blue))
        else:
            names[match["name"]] = red, green, blue
    taken = {(0, 0, 0), *ground}
    if not names or len(taken | {*names.values()}) < len(taken) + len(names):
        raise ValueError("names no class, or one colour twice")
    return Legend(COLOURS, tuple(names), tuple(names.values()), frozenset(ground))
