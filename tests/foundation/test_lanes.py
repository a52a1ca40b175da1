"""Who computes next when more tasks wait than may compute at once."""

import fcntl
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.lanes import Turn, _overtaken, _ticket, lane


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=6))
def test_tickets_sort_by_patience_then_fraction_then_time(kinds: list[tuple[bool, float]]) -> None:
    tickets = [Turn(patient, fraction).ticket() for patient, fraction in kinds]
    rounded = [(patient, f"{fraction:.6f}") for patient, fraction in kinds]
    in_order = sorted(range(len(kinds)), key=lambda at: (rounded[at], at))
    assert sorted(tickets) == [tickets[at] for at in in_order]


def waiting(folder: Path) -> int:
    place = folder.with_name("lanes-waiting")
    return len(list(place.iterdir())) if place.is_dir() else 0


def until(condition: object) -> None:
    ends = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.01)


def order_of(folder: Path, kinds: Sequence[tuple[bool, float]]) -> list[int]:
    """The order in which tasks that wait together get the only lane."""
    (folder / "0").touch()
    got: queue.Queue[int] = queue.Queue()

    def task(number: int) -> None:
        with lane(folder, Turn(*kinds[number])):
            got.put(number)

    with ThreadPoolExecutor(len(kinds)) as pool, (folder / "0").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        tasks = []
        for number in range(len(kinds)):
            tasks.append(pool.submit(task, number))
            until(lambda: waiting(folder) == len(tasks))
        fcntl.flock(held, fcntl.LOCK_UN)
        for one in tasks:
            one.result(30)
    return [got.get_nowait() for _ in kinds]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lanes").mkdir()
    return tmp_path / "lanes"


def test_the_more_urgent_go_first_and_equals_as_they_came(folder: Path) -> None:
    kinds = [(True, 1.0), (True, 0.1), (False, 1.0), (True, 0.1), (False, 0.0)]
    assert order_of(folder, kinds) == [4, 2, 1, 3, 0]
    assert waiting(folder) == 0


def test_a_killed_task_that_was_more_urgent_stops_nobody(folder: Path) -> None:
    (folder / "0").touch()
    place = folder.with_name("lanes-waiting")
    code = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('locked', flush=True); time.sleep(60)"
    )
    place.mkdir()
    ticket = place / Turn(False, 0).ticket()
    command = [sys.executable, "-c", code, str(ticket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == "locked\n"
        entered = threading.Event()

        def task() -> None:
            with lane(folder, Turn(True, 1)):
                entered.set()

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(task)
            assert not entered.wait(0.3)
            owner.kill()
            done.result(30)
    assert entered.is_set() and waiting(folder) == 0


def test_a_patient_task_leaves_the_lane_to_the_one_that_follows(folder: Path) -> None:
    """As between two trainings of one fraction, when another fraction's waits already."""
    (folder / "0").touch()
    got: list[str] = []
    first = threading.Event()

    def other() -> None:
        with lane(folder, Turn(True, 0.5)):
            got.append("other")

    def ahead() -> None:
        with lane(folder, Turn(True, 0.1)):
            got.append("first")
            first.set()
            until(lambda: waiting(folder) == 1)
        time.sleep(0.5)
        with lane(folder, Turn(True, 0.1)):
            got.append("second")

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(ahead)
        assert first.wait(30)
        two = pool.submit(other)
        one.result(30)
        two.result(30)
    assert got == ["first", "second", "other"]


def test_a_ticket_is_nobody_s_at_no_moment(tmp_path: Path) -> None:
    """One that is there and not locked is taken for that of a killed task, and removed."""
    last = tmp_path / Turn(True, 1).ticket()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            _overtaken(last)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        kept = []
        for _ in range(3000):
            with _ticket(tmp_path / Turn(False, 0).ticket()) as mine:
                kept.append(mine.exists())
        over.set()
        looking.result(30)

    assert all(kept)
    assert not list(tmp_path.iterdir())
