"""What the steps of a run print as they print it, those that start later too.

Pods that run at once are read at once, each by a thread that does nothing but wait for lines.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

from pipelines.operator import archive, follow, runs
from pipelines.operator.log import Log, Speaker
from pipelines.operator.nodes import Place
from pipelines.operator.pods import Listed, Passing, Pod, Unreached, listed
from pipelines.operator.server import Server
from pipelines.operator.source import Wish, is_of
from pipelines.operator.workflow import executors
from pipelines.refusal import SERVER, Refusal

LAST_WORDS = 15.0
"""Seconds for which lines are waited for once the run has ended, before pods are looked at."""

ENDING = 120.0
"""Seconds after which nothing more is asked for once the run has ended."""

TRIES = 5
"""How often what is left is asked for once the run has ended and no pod of it runs."""

Came = tuple[Speaker, str] | BaseException | None
"""A line and whose it is, or why there are no more, or that all is said."""

_ELSEWHERE = "check --namespace, and that kubectl's current context is the cluster the run is in"


def tail(
    server: Server, identity: str, wish: Wish, step: str, say: Callable[[str], None]
) -> Iterator[tuple[Speaker, str]]:
    """Follow the logs of a run until it has ended and all is read.

    Args:
        server: Where it runs.
        identity: The run's id.
        wish: What to read of every log; the reading begins at the lines from its end.
        step: Only this step's; empty for all.
        say: Called with what is no line of a log: that a pod waits, that a server is away.

    Yields:
        Every line, and whose it is. Logs that are complete come one after another, the others
        as they grow.

    Raises:
        Refusal: If Kubernetes, which alone can be followed, cannot be asked, if a server is away
            for long, or if something, or everything, is unread in the end.
    """
    came: SimpleQueue[Came] = SimpleQueue()
    watch = _Watch(server, identity, wish, step, say, came)
    threading.Thread(target=watch.run, daemon=True).start()
    while (one := came.get()) is not None:
        if isinstance(one, BaseException):
            raise one
        yield one


class _Watch:
    """Reads every pod of a run once it has started."""

    def __init__(
        self,
        server: Server,
        identity: str,
        wish: Wish,
        step: str,
        say: Callable[[str], None],
        came: SimpleQueue[Came],
    ) -> None:
        self._server, self._identity, self._wish, self._step = server, identity, wish, step
        self._say, self._came = say, came
        self._patience = follow.Patience("Kubernetes", say)
        self._logs: dict[str, Log] = {}
        self._places: set[Place] = set()
        self._told: set[str] = set()
        self._in_vain: Counter[str] = Counter()
        self._reached = False
        self._lingering: list[Log] = []
        self._unlisted = self._in_the_way = ""

    def run(self) -> None:
        """Read until the run has ended; whatever happens is told to who takes the lines."""
        try:
            run = self._until_it_ends()
            self._finish()
            self._read_the_gone(run)
            self._conclude(run)
        except BaseException as error:
            self._came.put(error)
        finally:
            self._came.put(None)

    def _until_it_ends(self) -> Any:
        run = None
        try:
            for run in follow.looks(self._server, self._identity, self._say):
                self._look(run)
        except Refusal as refusal:
            ways = f"defectory logs {self._identity}, or defectory runs {self._identity} --wait"
            why = f"the logs cannot be followed: {refusal}; try {ways}"
            raise Refusal(why, SERVER) from refusal
        return run

    def _look(self, run: Any) -> None:
        """Begin, or go on, to read every pod that there is."""
        try:
            found = self._listed()
        except Passing as refusal:
            # What has never answered is most likely not there at all.
            if isinstance(refusal, Unreached) and not self._reached:
                raise
            self._reached = True
            self._patience.missed(refusal)
            return
        self._reached = True
        self._patience.answered()
        if run.state not in runs.FINAL and not found.pods and not self._logs:
            self._miss(runs.state(run), found.where)
        for pod in found.pods:
            if not self._wanted(pod):
                continue
            if pod.phase == "Pending":
                if pod.waits:
                    self._tell(f"{pod.step} waits: {pod.waits}")
            elif pod.phase == "Running":
                self._log(pod).follow(pod)
            else:
                self._log(pod).finish(pod)

    def _miss(self, state: str, where: str) -> None:
        """Note that a run has no pods; tell it once it has been so for some looks."""
        # By state, because a run that was just taken up has its pods only a moment later.
        self._in_vain[state] += 1
        if self._in_vain[state] < follow.TELLING:
            return
        if state == "PENDING":
            self._tell("the run has not been taken up yet; it has pods only once Argo begins it")
        else:
            self._tell(f"there are no pods of the run in {where}: {_ELSEWHERE}")

    def _finish(self) -> None:
        """Read what is left once the run has ended."""
        ended = time.monotonic()
        for log in self._logs.values():
            log.let_end(max(0.0, ended + LAST_WORDS - time.monotonic()))
        tries = 0
        while not self._is_finished(ended + ENDING):
            tries += not self._lingering
            if tries == TRIES or time.monotonic() > ended + ENDING:
                break
            time.sleep(follow.PAUSE)
        for log in self._lingering:
            log.leave()

    def _is_finished(self, until: float) -> bool:
        self._lingering = []
        try:
            found = self._listed()
        except Refusal as refusal:
            self._unlisted = self._in_the_way = str(refusal)
            return False
        self._in_the_way = "there was no time left for it"
        there = {
            pod.identity: pod for pod in found.pods if pod.phase != "Pending" and self._wanted(pod)
        }
        for pod in there.values():
            log = self._log(pod)
            if pod.phase == "Running":
                # The containers of a run that was stopped have a grace period to speak in.
                log.follow(pod)
                self._lingering += [] if log.done else [log]
            elif time.monotonic() < until:
                log.finish(pod)
        for identity, log in self._logs.items():
            if identity not in there:
                # What it said before it was taken away may still be on its way.
                log.let_end(follow.PAUSE)
                log.lose()
        return all(log.done or identity not in there for identity, log in self._logs.items())

    def _read_the_gone(self, run: Any) -> None:
        """Read through KFP the logs of pods that Kubernetes had started at no look."""
        places = frozenset(self._places)
        found = archive.sources(self._server, run, self._wish, but=places, beside=True)
        for source in found:
            if self._step and not is_of(source.step, self._step):
                continue
            try:
                lines = list(source.read())
            except Refusal:
                continue
            log = Log(Speaker(source.step, source.where), self._wish, self._take, self._came.put)
            log.done = log.read = True
            self._logs[source.where] = log
            for line in lines:
                self._take(log.speaker, line)

    def _conclude(self, run: Any) -> None:
        """Say what was not read.

        Raises:
            Refusal: If something was not read that was printed, as far as anybody knows.
        """
        again = f"defectory logs {self._identity}"
        lost = [log for log in self._logs.values() if log.trouble or not log.done]
        if lost:
            told = "\n".join(
                f"  {one.speaker.step}: {one.trouble or self._in_the_way}" for one in lost
            )
            raise Refusal(
                f"not everything was read; {again} reads what is kept. Missing is the rest of\n"
                f"{self._server.access.hide(told)}",
                SERVER,
            )
        if any(log.read for log in self._logs.values()):
            return
        what = f"step {self._step!r}" if self._step else "the run"
        known = executors(self._server, self._identity)
        ran = [
            place
            for place, one in known.items()
            if one.ran and (not self._step or is_of(place[0][-1], self._step))
        ]
        if known and not ran and run.state == "SUCCEEDED":
            self._say(f"{what} has printed nothing: all of it came from the cache, or was skipped")
            return
        if known and not ran:
            raise Refusal(
                f"{what} has printed nothing: it never came to it; defectory runs "
                f"{self._identity} says why",
                SERVER,
            )
        raise Refusal(
            f"nothing of {what} was read: {self._unlisted}, and KFP gives no log of it: "
            f"{_ELSEWHERE}",
            SERVER,
        )

    def _listed(self) -> Listed:
        found = listed(self._server, self._identity)
        self._unlisted = f"there are no pods of it in {found.where}"
        # A pod that waits at one look may have run, and be gone, at the next one.
        self._places |= {
            pod.place
            for pod in found.pods
            if pod.place is not None and (pod.phase != "Pending" or pod.identity in self._logs)
        }
        return found

    def _wanted(self, pod: Pod) -> bool:
        return pod.told_of and (not self._step or is_of(pod.step, self._step))

    def _log(self, pod: Pod) -> Log:
        if pod.identity not in self._logs:
            speaker = Speaker(pod.step, pod.where)
            self._logs[pod.identity] = Log(speaker, self._wish, self._take, self._came.put)
        return self._logs[pod.identity]

    def _take(self, speaker: Speaker, line: str) -> None:
        self._came.put((speaker, line))

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._say(line)
