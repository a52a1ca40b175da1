import io
import threading
from pathlib import Path

from components.progress import MARK
from pipelines.console import Console


def test_people_see_what_is_said_and_the_log_has_everything(tmp_path: Path) -> None:
    terminal = io.StringIO()
    console = Console(tmp_path / "log", terminal)

    for piece in ("noise\n", "    ", f"{MARK}step  starts", "\nmore noise\n"):
        console.write(piece)
    console.close()

    assert terminal.getvalue() == "  0:00  step  starts\n"
    assert (tmp_path / "log").read_text() == f"noise\n    {MARK}step  starts\nmore noise\n"


def test_lines_of_tasks_that_run_side_by_side_stay_whole(tmp_path: Path) -> None:
    console = Console(tmp_path / "log", io.StringIO())

    def talk(name: str) -> None:
        for number in range(200):
            console.write(f"{name} ")
            console.write(f"{number}\n")

    threads = [threading.Thread(target=talk, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    console.close()

    lines = (tmp_path / "log").read_text().splitlines()
    for name in "ab":
        assert [line for line in lines if line.startswith(name)] == [
            f"{name} {number}" for number in range(200)
        ]
