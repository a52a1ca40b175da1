"""What the steps of a run print as they print it, those that start later too.

Pods that run at once are read at once, each by a thread that does nothing but wait for lines.
"""

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from pipelines.operator.follow import looks
from pipelines.operator.logs import NotStarted, Source, Wish, is_of, pods
from pipelines.operator.server import Server
from pipelines.refusal import SERVER, Refusal

Came = tuple[Source, str] | Refusal | None
"""A line and whose it is, or why there are no more, or that all is said."""


def tail(
    server: Server, identity: str, wish: Wish, step: str, say: Callable[[str], None]
) -> Iterator[tuple[Source, str]]:
    """Follow the logs of a run until it has ended and all is read.

    Args:
        server: Where it runs.
        identity: The run's id.
        wish: What to read of every log.
        step: Only this step's; empty for all.
        say: Called with what is no line of a log: that a pod waits, that the server is away.

    Yields:
        Every line, and whose it is. Logs that are complete come one after another, the others
        as they grow.

    Raises:
        Refusal: If Kubernetes, which alone can be followed, cannot be asked, or KFP is away for
            long.
    """
    came: SimpleQueue[Came] = SimpleQueue()
    arguments = (server, identity, wish, step, say, came)
    threading.Thread(target=_watch, args=arguments, daemon=True).start()
    while (one := came.get()) is not None:
        if isinstance(one, Refusal):
            raise one
        yield one


def _watch(
    server: Server,
    identity: str,
    wish: Wish,
    step: str,
    say: Callable[[str], None],
    came: SimpleQueue[Came],
) -> None:
    """Read every pod of a run once it has started."""
    readers: dict[str, threading.Thread] = {}
    unread: set[str] = set()
    told: set[str] = set()

    def read(pod: str, source: Source) -> None:
        try:
            for line in source.read():
                came.put((source, line))
        except NotStarted:
            unread.add(pod)
        except Refusal as refusal:
            # One pod without a log must not hide the others'.
            came.put((source, f"-- {server.access.hide(str(refusal))}"))

    try:
        for _ in looks(server, identity, say):
            for pod in pods(server, identity, wish):
                if step and not is_of(pod.source, step):
                    continue
                if pod.phase == "Pending":
                    if pod.waits and (line := f"{pod.source.step} waits: {pod.waits}") not in told:
                        told.add(line)
                        say(line)
                    continue
                if pod.identity in readers and pod.identity not in unread:
                    continue
                unread.discard(pod.identity)
                reader = threading.Thread(target=read, args=(pod.identity, pod.source), daemon=True)
                readers[pod.identity] = reader
                reader.start()
                if pod.phase != "Running":
                    reader.join()
        for reader in readers.values():
            reader.join()
    except Refusal as refusal:
        ways = f"defectory logs {identity}, or defectory runs {identity} --wait"
        came.put(Refusal(f"the logs cannot be followed: {refusal}; try {ways}", SERVER))
    finally:
        came.put(None)
