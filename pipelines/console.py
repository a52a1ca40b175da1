"""What a person sees of a run: the steps' own lines on the terminal, everything in a log file."""

import io
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from components.progress import MARK


class Console(io.TextIOBase):
    """A text stream that keeps every line in a file and shows those meant for people.

    KFP prints the output of its tasks, several at once, from a thread each; lines are put
    together thread by thread, so that they stay whole.
    """

    def __init__(self, log: Path, terminal: TextIO = sys.stdout) -> None:
        """Open the log file for appending."""
        self._log = log.open("a", encoding="utf-8")
        self._terminal = terminal
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._pending = threading.local()

    def write(self, text: str) -> int:
        """Take text; whole lines of it go where they belong."""
        *lines, rest = (getattr(self._pending, "text", "") + text).split("\n")
        self._pending.text = rest
        with self._lock:
            for line in lines:
                self._log.write(line + "\n")
                said = line.lstrip()
                if said.startswith(MARK):
                    self._terminal.write(f"{self._elapsed()}  {said.removeprefix(MARK)}\n")
            self._log.flush()
            self._terminal.flush()
        return len(text)

    def close(self) -> None:
        """Close the log file."""
        self._log.close()
        super().close()

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"{minutes:3d}:{seconds:02d}"
