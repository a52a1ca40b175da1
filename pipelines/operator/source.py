"""The log of one try of one task of a run, wherever it is read."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pipelines.operator.noise import own
from pipelines.refusal import Refusal


@dataclass(frozen=True)
class Source:
    """The log of one try of one task.

    Attributes:
        step: Name of the step's task.
        where: The loops it is in, and which try it is, for people.
        read: Gives the lines; raises Refusal where there are none.
        gone: Whether Kubernetes has other pods of the run but not this one's, so that the log may
            well be nowhere.
        which: Where it is without how it is read; empty for a first try in no loop.
    """

    step: str
    where: str
    read: Callable[[], Iterator[str]]
    gone: bool = False
    which: str = ""


@dataclass(frozen=True)
class Wish:
    """What to read of every log.

    Attributes:
        tail: Lines from the end of each; 0 for all.
        whole: Whether what KFP and Argo print as a matter of course is read too.
    """

    tail: int = 0
    whole: bool = False

    def of(self, lines: Iterable[str]) -> Iterable[str]:
        """What is wished for of a log's lines."""
        chosen = lines if self.whole else own(lines)
        return deque(chosen, self.tail) if self.tail else chosen


def of_step(found: list[Source], step: str) -> list[Source]:
    """Those of one step.

    Raises:
        Refusal: If there is none; with the steps that there are.
    """
    chosen = [one for one in found if is_of(one.step, step)]
    if not chosen:
        there = ", ".join(sorted({one.step for one in found}))
        raise Refusal(f"no logs of a step {step!r}; there are {there}")
    return chosen


def is_of(name: str, step: str) -> bool:
    """Whether a task is a step, whose name may be written with `_` or `-`."""
    return name.replace("_", "-") == step.replace("_", "-")


def where(path: tuple[str, ...], attempt: int, more: str = "") -> str:
    """Where a log belongs, for people.

    Args:
        path: Names of the loops and tasks it is in, the step last.
        attempt: Which try it is, from 0.
        more: What else is to be said of it; empty for nothing.
    """
    loops = [part for part in path[:-1] if "(" in part]
    again = [f"try {attempt + 1}"] if attempt else []
    return ", ".join([*loops, *again, *([more] if more else [])])
