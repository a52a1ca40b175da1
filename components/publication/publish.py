"""Registers a run whose steps are all done: in the store's history and in MLflow."""

import os
from datetime import UTC, datetime
from pathlib import Path

from components.given import take
from components.history import history
from components.progress import LABEL
from components.record import read_record
from components.retry import patiently
from components.store import Store
from components.task import SPOOL, STORE
from components.viewer import readme, table

FILES = ("report.html", "summary.json", "overview.png")


def publish(run: str, report: Path, page: Path) -> None:
    """Register a run.

    Args:
        run: Id of the run in KFP.
        report: Folder of the report and the summary, with the report's record.
        page: Markdown file for what was registered.
    """
    take()
    os.environ[LABEL] = "publication"
    past = history(os.environ.get(STORE, ""))
    note = patiently(lambda: past.read(run)) if past is not None else None
    if past is not None and note is not None:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        patiently(lambda: past.finish(note, when))
    files = [path for name in FILES if (path := report / name).is_file()]
    if not os.environ.get(SPOOL):
        from components.tracking import add, keep

        add(run, lambda: _results(report, os.environ.get(STORE, "")))
        keep(run, files)
    values = {"run": f"`{run}`", "files": ", ".join(f"`{one.name}`" for one in files)}
    page.write_text(
        table("Publication", values, ["All steps are done."], readme(__name__)), encoding="utf-8"
    )


def _results(report: Path, store: str) -> dict[str, Path]:
    """The results in the store that a report was made from, and itself, by their keys."""
    if not store:
        return {}
    record = read_record(report)
    found = {one.key: Store(Path(store)).found(one.step, one.key)
             for one in (*record.lineage, record)}  # fmt: skip
    return {key: result for key, result in found.items() if result is not None}
