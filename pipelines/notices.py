"""Notices of finished tasks, collected while a pipeline runs on this machine.

Importing MLflow costs seconds, so tasks do not log themselves here: they leave a notice, and this
process, which only waits for them, logs.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from components.tracking import GIT_REVISION, Tracker


@dataclass(frozen=True)
class Notice:
    """A finished task.

    Attributes:
        result: The step's result folder in the store.
        label: Name of the task, for people.
        reused: Whether the result comes from an earlier run.
        task: The task's id in KFP.
    """

    result: Path
    label: str
    reused: bool
    task: str


class Collector:
    """Reads notices as they come, keeps them, and logs them to MLflow."""

    def __init__(self, spool: Path, tracker_of: "TrackerOf") -> None:
        """Prepare.

        Args:
            spool: Folder into which tasks write their notices.
            tracker_of: Gives the tracker and the id of the pipeline's run, called once, in the
                collector's own thread.
        """
        self.notices: list[Notice] = []
        self.failure: Exception | None = None
        self._spool = spool
        self._tracker_of = tracker_of
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._collect, name="mlflow", daemon=True)

    def __enter__(self) -> "Collector":
        self._spool.mkdir(parents=True, exist_ok=True)
        for left in self._spool.iterdir():
            left.unlink()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _collect(self) -> None:
        over = False
        while not over:
            # Asked before looking, so that a notice that came before the end is not missed.
            over = self._over.wait(0.2)
            for notice in self._new():
                self.notices.append(notice)
                self._log(notice)
        if not self.notices:
            self._log(None)

    def _log(self, notice: Notice | None) -> None:
        """Log one finished task; None only starts the pipeline's run."""
        if self.failure is not None:
            return
        try:
            tracker, parent = self._tracker_of()
            if notice is not None:
                tracker.step(
                    notice.result,
                    label=notice.label,
                    reused=notice.reused,
                    task=notice.task,
                    parent=parent,
                    revision=self._tracker_of.revision,
                )
        except Exception as error:
            self.failure = error

    def _new(self) -> Iterator[Notice]:
        for path in sorted(self._spool.glob("*.json")):
            fields = json.loads(path.read_text())
            path.unlink()
            yield Notice(Path(fields["result"]), fields["label"], fields["reused"], fields["task"])


class TrackerOf:
    """Connects to MLflow, starts the pipeline's run, once, and ends it."""

    def __init__(
        self, uri: str, artifacts: Path, name: str, tags: dict[str, str], params: dict[str, object]
    ) -> None:
        """Remember where and with what."""
        self._uri, self._artifacts, self._name = uri, artifacts, name
        self._tags, self._params = tags, params
        self.started: tuple[Tracker, str] | None = None

    @property
    def revision(self) -> str:
        """The commit of the code, as the pipeline's run has it."""
        return self._tags.get(GIT_REVISION, "")

    def __call__(self) -> tuple[Tracker, str]:
        """The tracker and the id of the pipeline's run."""
        if self.started is None:
            tracker = Tracker(self._uri, self._artifacts)
            self.started = tracker, tracker.start(self._name, self._tags, self._params)
        return self.started

    def end(self, tags: dict[str, str], succeeded: bool) -> Exception | None:
        """End the pipeline's run, if it was started, with its true state.

        Returns:
            Why that failed, if it did: it must not cost the run its results, nor hide why the run
            itself failed.
        """
        if self.started is None:
            return None
        tracker, parent = self.started
        try:
            tracker.tag(parent, tags)
            tracker.finish(parent, succeeded)
        except Exception as error:  # MLflow's stores raise errors of every kind
            return error
        return None

    def complaint(self, failure: Exception) -> str:
        """What to say of a failure, without the credentials that MLflow's address may hold."""
        credentials = urlsplit(self._uri).netloc.rpartition("@")[0]
        text = f"MLflow could not be written: {failure}"
        return text.replace(f"{credentials}@", "") if credentials else text
