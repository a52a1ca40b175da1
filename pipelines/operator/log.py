"""One pod's log, followed: opened again where it ended until all is read.

A stream ends when its container does, but also when the log is rotated, when the server of
Kubernetes starts anew, when a proxy finds it idle; and a connection that is dead says nothing at
all. So only a pod that no longer runs has a log that is complete.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.operator.noise import Filter
from pipelines.operator.pods import Gone, NotStarted, Passing, Pod, Reading
from pipelines.operator.position import Position
from pipelines.operator.source import Wish
from pipelines.refusal import Refusal

SILENCE = 60.0
"""Seconds without a line after which a log is opened again."""

HURRY = 15.0
"""Seconds within which the log of a pod that has ended begins to come, and goes on."""


@dataclass(frozen=True, eq=False)
class Speaker:
    """Whose a line is.

    Attributes:
        step: Name of the step's task.
        where: The loops it is in, and which try it is, for people.
    """

    step: str
    where: str


class Log:
    """The log of one pod.

    Attributes:
        speaker: Whose it is.
        done: Whether there is no more to be read.
        read: Whether something of it was read, or that there is nothing in it.
        trouble: Why it could not be read to its end so far; empty where nothing was in the way.
    """

    def __init__(
        self,
        speaker: Speaker,
        wish: Wish,
        take: Callable[[Speaker, str], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        """Begin at the beginning.

        Args:
            speaker: Whose it is.
            wish: What to read of it; the reading begins at the lines from its end.
            take: Called with every line.
            fail: Called with an error that nobody has thought of.
        """
        self.speaker = speaker
        self.done, self.read, self.trouble = False, False, ""
        self._wish, self._take, self._fail = wish, take, fail
        self._position, self._own = Position(), Filter()
        self._lock = threading.Lock()
        self._turn = 0
        self._reader: threading.Thread | None = None

    def follow(self, pod: Pod) -> None:
        """Read what comes in a thread of its own, unless that goes on already."""
        if self.done or (self._reader is not None and self._reader.is_alive()):
            return
        arguments = {"pod": pod, "going_on": True}
        self._reader = threading.Thread(target=self._open, kwargs=arguments, daemon=True)
        self._reader.start()

    def let_end(self, seconds: float) -> None:
        """Wait for the thread for some time."""
        if self._reader is not None:
            self._reader.join(seconds)

    def finish(self, pod: Pod) -> None:
        """Read what is left of the log of a pod that runs no longer."""
        if not self.done:
            self._open(pod, going_on=False)

    def lose(self) -> None:
        """Note that the pod is gone: its stream has ended with it, unless that broke off before."""
        if self._reader is not None and self._reader.is_alive():
            self.trouble = self.trouble or "Kubernetes said nothing more, and the pod is gone"
        self.done = self.done or not self.trouble

    def leave(self) -> None:
        """Read no further, though the pod still runs."""
        with self._lock:
            self._turn += 1
            self.trouble = self.trouble or "the pod still runs"

    def _open(self, pod: Pod, *, going_on: bool) -> None:
        with self._lock:
            # A thread that hangs may still wake up; what it brings was read anew by then.
            self._turn += 1
            turn = self._turn
            self._position.reopen()
            since = self._position.since
        tail = 0 if since else self._wish.tail
        seconds = SILENCE if going_on else HURRY
        reading = Reading(seconds, follow=going_on, tail=tail, timed=True, since=since)
        done, trouble = not going_on, ""
        try:
            for line in pod.read(reading):
                with self._lock:
                    if turn != self._turn:
                        return
                    self._hand_on(line)
        except NotStarted:
            pass  # Of a pod that has ended its container never will.
        except Passing as refusal:
            done, trouble = False, str(refusal)
        except Refusal as refusal:
            # A pod may be gone since it was listed; the next list tells.
            done, trouble = not (going_on and isinstance(refusal, Gone)), str(refusal)
        except BaseException as error:
            self._fail(error)
        with self._lock:
            if turn != self._turn:
                return
            self.done, self.trouble = done, trouble
            self.read = self.read or not trouble
            if done and trouble:
                # One pod without a log must not hide the others'.
                self._take(self.speaker, f"-- {trouble}")

    def _hand_on(self, line: str) -> None:
        said = self._position.fresh(line)
        self.read = True
        if said is not None and (self._wish.whole or self._own.keeps(said)):
            self._take(self.speaker, said)
