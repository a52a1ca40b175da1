"""Finds out how a run ended, and tells MLflow and the webhook."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from components.final_status.webhook import post
from components.given import take
from components.history import Note, history
from components.kubeflow import described
from components.progress import LABEL, say
from components.retry import patiently
from components.task import SPOOL, STORE
from components.viewer import readme, short, table

UI = "DEFECTORY_UI_URL"
"""Environment variable with the address of the KFP UI, for links."""

UNKNOWN = "a step failed, or its pod was lost; KFP says no more"
"""What is said where no step has said why."""


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        run: Its id in KFP.
        state: `SUCCEEDED`, `FAILED` or `CANCELLED`.
        unchanged_since: The earlier run that it would only have repeated; empty otherwise.
        data: Address of the photos.
        data_digest: Their content digest, as far as it is known.
        error: Why it did not succeed.
        link: The run in the KFP UI, where its address is known.
    """

    run: str
    state: str
    unchanged_since: str
    data: str
    data_digest: str
    error: str
    link: str


def close_run(*, run: str, data: str, notify: bool, page: str) -> None:
    """Record a run's final state.

    Args:
        run: Its id.
        data: Address of the photos.
        notify: Whether to post to the webhook.
        page: Markdown file for how it ended.
    """
    take()
    os.environ[LABEL] = "final_status"
    note, reasons = known(run)
    state = final_state(run, note)
    error = ""
    if state == "CANCELLED":
        error = "it was stopped"
    elif state == "FAILED":
        error = "; ".join(reasons) or UNKNOWN
    ending = Ending(
        run=run,
        state=state,
        unchanged_since=note.unchanged if note else "",
        data=data,
        data_digest=note.digest if note else "",
        error=error,
        link=link(run),
    )
    since = f", unchanged since run {ending.unchanged_since}" if ending.unchanged_since else ""
    say(f"{state}{since}")
    if not os.environ.get(SPOOL):
        from components.tracking import end

        end(run, state, ending.error)
    if notify:
        post({"pipeline": "defectory", **asdict(ending)})
    told = {name: value for name, value in asdict(ending).items() if value and name != "link"}
    if ending.data_digest:
        told["data_digest"] = short(ending.data_digest)
    Path(page).write_text(
        table("Final status", told, [f"{state}{since}"], readme(__name__)), encoding="utf-8"
    )


def known(run: str) -> tuple[Note | None, list[str]]:
    """What the store knows of a run: its note, and why tasks of it failed.

    A store that cannot be read is itself a reason: who waits for the run is told all the same.

    Args:
        run: Its id in KFP.
    """
    past = history(os.environ.get(STORE, ""))
    if past is None:
        return None, []
    note = None
    try:
        note = patiently(lambda: past.read(run))
        return note, patiently(lambda: past.reasons(run))
    # A note that was written by halves is no JSON, or lacks fields.
    except (OSError, ValueError, TypeError) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        return note, [f"the store does not tell how the run went: {what}"]


def final_state(run: str, note: Note | None) -> str:
    """The true final state.

    KFP's backend knows the state of a pipeline's inner part only from tasks that ran: it stays
    `RUNNING` where the last ones were skipped or came from a cache, or where a pod was lost before
    it could say anything. So what the run itself has left in the store decides.

    Args:
        run: Its id in KFP.
        note: The run's note; None where it never came to the gate.
    """
    if note is not None and (note.finished or note.unchanged):
        return "SUCCEEDED"
    return "CANCELLED" if was_stopped(run) else "FAILED"


def was_stopped(run: str) -> bool:
    """Whether somebody stopped the run; False where KFP's API does not tell."""
    past = described(run).get("state_history") or []
    return any(one.get("state") == "CANCELING" for one in past)


def link(run: str) -> str:
    """The run in the KFP UI; empty where its address is not known."""
    base = os.environ.get(UI, "").rstrip("/")
    return f"{base}/#/runs/details/{run}" if base else ""
