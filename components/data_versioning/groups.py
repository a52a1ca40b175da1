"""Finds out from the pixels which photos show the same physical piece.

Photos of one piece under other exposures or slightly moved must not lie in two parts: a test
photo whose twin was trained on measures memory. Names often do not tell the pieces apart, so:

1. Every photo is brought to a common working scale and *locally normalised* (each pixel minus the
   mean around it, over the deviation around it), which takes exposure and uneven light away and
   leaves the surface's own texture.
2. *Candidates*: the texture's column and row profiles are compared at every shift; each photo
   keeps the few photos with the most similar profiles.
3. *Registration*: a candidate pair is correlated in two dimensions over all shifts that leave at
   least half of the smaller photo in the overlap. It is a link if the correlation in the overlap is
   high, or if it is fair and its peak stands far out of the correlations at all other shifts.
   Both limits rise where photos of different pieces already agree, as with printed or aligned
   objects: they lie well above what random pairs reach.
4. Pairs of groups whose peak stands out a little are tried once more with an affine warp, for
   pieces that were turned or tilted between two photos.
5. Linked photos are one group. A group that has become suspiciously large is cut again with
   stricter limits, so that one false link does not chain pieces together.

No random state, no training, no names. See the README for what was measured.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from components.cores import cores
from components.data_versioning.registration import SHIFT, Match, Patch, Register, normalised
from components.progress import track

WORKING_SIDE = 160
"""Square root of the median photo's area at the working scale, pixels."""

CANDIDATES = 8
"""Registered with each photo: those with the most similar profiles."""

CORRELATED, FAIR, STANDING_OUT = 0.45, 0.2, 13.0
WORTH_A_WARP = 6.5
RANDOM_PAIRS = 300
_BLOCK = 1024
LARGE = 24
"""Groups of more photos, and of more than a tenth of all, are cut again."""


@dataclass(frozen=True)
class Limits:
    """What a pair must reach to count as one piece; see the module's description."""

    correlation: float
    fair: float
    peak: float

    def hold(self, match: Match) -> bool:
        """Whether the pair is one piece."""
        high = match.correlation >= self.correlation
        return high or (match.correlation >= self.fair and match.peak >= self.peak)


def find_groups(
    load: Callable[[int], NDArray[np.uint8]], sizes: Sequence[tuple[int, int]]
) -> list[int]:
    """Number of the piece that each photo shows, counted from 0 in the photos' order.

    Args:
        load: Gives the grey picture of a photo by its place, (height, width); called by threads.
        sizes: (height, width) of every photo, pixels.
    """
    if len(sizes) < 2:
        return [0] * len(sizes)
    scale = min(1.0, WORKING_SIDE / float(np.median([(h * w) ** 0.5 for h, w in sizes])))
    with ThreadPoolExecutor(cores()) as pool:
        patches = list(pool.map(lambda place: normalised(load(place), scale), range(len(sizes))))
        register = Register(patches, pool)
        rng = np.random.default_rng(0)
        random = {
            (min(i, j), max(i, j))
            for i, j in rng.integers(len(sizes), size=(RANDOM_PAIRS, 2)).tolist()
            if i != j
        }
        limits = _limits(list(pool.map(register, sorted(random))))
        pairs = _candidates(patches)
        found = track(pool.map(register, pairs), "comparing photos", total=len(pairs), unit="pairs")
        matches = dict(zip(pairs, found, strict=True))
        turned = _perhaps_turned(matches, _joined(len(sizes), matches, limits))
        refined = pool.map(lambda pair: register.refined(pair, matches[pair]), turned)
        matches.update(zip(turned, refined, strict=True))
    return _joined(len(sizes), matches, limits)


def _candidates(patches: Sequence[Patch]) -> list[tuple[int, int]]:
    """Pairs of photos with the most similar profiles, in ascending order."""
    both = [_profiles(patches, axis) for axis in (0, 1)]
    pairs: set[tuple[int, int]] = set()
    # A block of photos at a time: of ten thousand, all pairs at once would take gigabytes.
    starts = range(0, len(patches), _BLOCK)
    for start in track(starts, "comparing profiles", unit="blocks"):
        likeness = np.add(*(_likeness(profiles, start) for profiles in both))
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -np.inf
        best = np.argsort(-likeness, axis=1, kind="stable")[:, :CANDIDATES]
        pairs |= {
            (min(i, j), max(i, j))
            for i, row in enumerate(best.tolist(), start)
            for j in row
            if i != j
        }
    return sorted(pairs)


def _profiles(patches: Sequence[Patch], axis: int) -> NDArray[np.float32]:
    """The patches' mean profiles along an axis, of mean 0 and norm 1, (count, length)."""
    length = max(patch.shape[1 - axis] for patch in patches) + SHIFT
    profiles = np.zeros((len(patches), length), np.float32)
    for row, patch in zip(profiles, patches, strict=True):
        profile = patch.mean(axis)[None, :]
        profile = (profile - cv2.GaussianBlur(profile, (0, 0), 6))[0]
        start = (length - profile.size) // 2
        row[start : start + profile.size] = profile - profile.mean()
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True) + 1e-6
    return profiles


def _likeness(profiles: NDArray[np.float32], start: int) -> NDArray[np.float32]:
    """Largest correlation over all shifts of a block's profiles with all, (block, count)."""
    block = profiles[start : start + _BLOCK]
    best = np.full((len(block), len(profiles)), -1, np.float32)
    for shift in range(-SHIFT, SHIFT + 1):
        np.maximum(best, np.roll(block, shift, axis=1) @ profiles.T, out=best)
    return best


def _perhaps_turned(
    matches: dict[tuple[int, int], Match], groups: Sequence[int]
) -> list[tuple[int, int]]:
    """The two best pairs of every two groups that may yet be one piece."""
    between: dict[tuple[int, int], list[tuple[float, tuple[int, int]]]] = {}
    for pair, match in matches.items():
        one, two = sorted((groups[pair[0]], groups[pair[1]]))
        if one != two and match.peak >= WORTH_A_WARP:
            between.setdefault((one, two), []).append((-match.peak, pair))
    return sorted(pair for found in between.values() for _, pair in sorted(found)[:2])


def _limits(random: Sequence[Match]) -> Limits:
    """Limits well above what photos drawn at random reach."""
    if not random:
        return Limits(CORRELATED, FAIR, STANDING_OUT)

    def above(values: list[float]) -> float:
        median = float(np.median(values))
        return median + 6 * 1.4826 * float(np.median(np.abs(np.array(values) - median)))

    correlation = above([match.correlation for match in random])
    return Limits(
        min(0.9, max(CORRELATED, correlation)),
        min(0.9, max(FAIR, correlation)),
        max(STANDING_OUT, above([match.peak for match in random])),
    )


def _joined(count: int, matches: dict[tuple[int, int], Match], limits: Limits) -> list[int]:
    """Groups of linked photos; those that are too large are cut with stricter limits."""
    groups = _components(range(count), [pair for pair, m in matches.items() if limits.hold(m)])
    for correlation in (0.6, 0.7, 0.8, 0.9):
        stricter = Limits(max(correlation, limits.correlation), 1.0, np.inf)
        groups = [
            part
            for group in groups
            for part in (
                _components(group, [p for p, m in matches.items() if stricter.hold(m)])
                if len(group) > max(LARGE, count // 10)
                else [group]
            )
        ]
    numbers = [0] * count
    for number, group in enumerate(sorted(groups)):
        for member in group:
            numbers[member] = number
    return numbers


def _components(members: Sequence[int], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Connected components of a graph, each in ascending order."""
    parent = {member: member for member in members}

    def root(member: int) -> int:
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for one, two in links:
        if one in parent and two in parent:
            low, high = sorted((root(one), root(two)))
            parent[high] = low
    found: dict[int, list[int]] = {}
    for member in members:
        found.setdefault(root(member), []).append(member)
    return [sorted(group) for group in found.values()]
