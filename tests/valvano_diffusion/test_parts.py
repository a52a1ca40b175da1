import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tiny import Form

READ = """
import sys
from pathlib import Path
from components.device import choose
from components.valvano.parts import load
load(Path(sys.argv[1]), choose(bf16=False))
"""


def test_reading_a_model_leaves_no_line_in_the_log(base: Callable[[Form], Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ, base("tiny")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
