"""Compiling against bare KFP: `python tests/benchmarks/compile.py`.

Three processes, each timed from start to end, the shortest of a few: `defectory compile`; KFP's own
compiler on the same DAG, without profile, checks and explanations; importing KFP's compiler alone.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
ROUNDS = 5
LONGEST = 4.0

OURS = """
import sys
from pathlib import Path
from pipelines.package import write_package
from pipelines.presets import preset
from pipelines.profiles import PROFILES
profile = PROFILES[sys.argv[1]]
write_package(preset(profile.preset), profile, Path(sys.argv[2]))
"""
BARE = """
import sys
from kfp import compiler
from pipelines.presets import preset
from pipelines.valvano import pipeline
config = preset({"kind": "quickstart", "gpu": "paper"}[sys.argv[1]])
compiler.Compiler().compile(pipeline(config, "data.dvc", "", ""), sys.argv[2])
"""
IMPORT = "import kfp.compiler"


def seconds(program: str, profile: str, out: Path) -> tuple[float, float]:
    """Shortest wall time and shortest processor time of a process."""
    command = [sys.executable, "-W", "ignore", "-c", program, profile, str(out)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    walls, busy = [], []
    for _ in range(ROUNDS):
        before, started = os.times(), time.perf_counter()
        subprocess.run(command, check=True, cwd=PROJECT, env=environment, capture_output=True)
        after = os.times()
        walls.append(time.perf_counter() - started)
        busy.append(
            after.children_user
            - before.children_user
            + after.children_system
            - before.children_system
        )
    return min(walls), min(busy)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "package.yaml"
        imported, _ = seconds(IMPORT, "", out)
        print(f"import kfp.compiler            {imported:6.2f} s")
        for profile in ("kind", "gpu"):
            wall, busy = seconds(OURS, profile, out)
            bare, _ = seconds(BARE, profile, out)
            print(
                f"{profile:<5} ours {wall:6.2f} s (processor {busy:5.2f} s)  bare KFP {bare:6.2f} s"
                f"  {wall / bare:5.2f} x  {'under' if wall < LONGEST else 'OVER'} {LONGEST:g} s"
            )


if __name__ == "__main__":
    main()
