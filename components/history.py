"""What the store knows of whole runs: which are under way, and which succeeded last.

A run's note is written by the gate, completed when everything is done, and read by the exit
handler, so that the run's final state is known from what happened: KFP's own record of a DAG says
`RUNNING` where its last tasks came from the cache or were skipped.
"""

import hashlib
import json
import os
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path

_RUNS, _LAST = "runs", "last"


@dataclass(frozen=True)
class Note:
    """What is known of one run of the pipeline.

    Attributes:
        run: Its id in KFP.
        data: The address of its photos.
        revision: The git revision asked for.
        digest: Content digest of the photos.
        config: Digest of its configuration.
        package: Digest of its code and its images.
        finished: Whether all its steps are done.
        unchanged: Id of the earlier run whose result this one would only have made again.
        when: When the run finished, ISO 8601, UTC.
    """

    run: str
    data: str
    revision: str
    digest: str
    config: str
    package: str
    finished: bool = False
    unchanged: str = ""
    when: str = ""

    @property
    def content(self) -> tuple[str, str, str]:
        """What the run's result depends on."""
        return self.digest, self.config, self.package

    @property
    def series(self) -> str:
        """What runs have in common that are compared: those of one address and configuration."""
        text = f"{self.data}\0{self.config}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class History:
    """The notes, in a folder of the store."""

    folder: Path

    def write(self, note: Note) -> None:
        """Keep a run's note."""
        _write(self.folder / _RUNS / f"{_safe(note.run)}.json", note)

    def read(self, run: str) -> Note | None:
        """A run's note; None where it never came to the gate."""
        return _read(self.folder / _RUNS / f"{_safe(run)}.json")

    def tell(self, run: str, label: str, reason: str) -> None:
        """Keep why a task of a run failed; an empty reason takes back what an earlier try said."""
        name = hashlib.sha256(label.encode()).hexdigest()[:16]
        path = self.folder / _RUNS / f"{_safe(run)}.failed" / name
        if not reason:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{label}: {reason}", encoding="utf-8")

    def reasons(self, run: str) -> list[str]:
        """Why tasks of a run failed, the first that did first."""
        found = (self.folder / _RUNS / f"{_safe(run)}.failed").glob("*")
        ordered = sorted(found, key=lambda one: one.stat().st_mtime_ns)
        return [one.read_text(encoding="utf-8") for one in ordered]

    def last(self, note: Note) -> Note | None:
        """The last run of the same series that succeeded."""
        return _read(self.folder / _LAST / f"{note.series}.json")

    def finish(self, note: Note, when: str) -> Note:
        """Keep that all steps of a run are done, as the last one of its series."""
        done = replace(note, finished=True, when=when)
        self.write(done)
        _write(self.folder / _LAST / f"{note.series}.json", done)
        return done


def history(store: str) -> History | None:
    """The history in a store; None without one."""
    return History(Path(store) / "history") if store else None


def _safe(run: str) -> str:
    return "".join(one if one.isalnum() or one in "-_" else "_" for one in run)


def _write(path: Path, note: Note) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Pods that write at once often have the same process number.
    aside = path.with_suffix(f".{socket.gethostname()}-{os.getpid()}.part")
    aside.write_text(json.dumps(asdict(note), indent=1))
    aside.replace(path)


def _read(path: Path) -> Note | None:
    if not path.is_file():
        return None
    return Note(**json.loads(path.read_text()))
