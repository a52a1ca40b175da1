import subprocess
import sys
from pathlib import Path

import pytest


def _defectory(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "COMMAND"),
        (["run", "--help"], 0, "presets:"),
        (["run", "--nonsense"], 2, "--nonsense"),
        (["run", "--preset", "fast"], 2, "quickstart"),
        (["run", "--data", "no/such/folder"], 2, "no/such/folder"),
        (["run", "--base-model", "./nowhere"], 2, "./nowhere"),
    ],
)
def test_simple_questions_are_answered_without_heavy_imports(
    arguments: list[str], code: int, said: str
) -> None:
    done = _defectory(*arguments)

    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_the_entry_point_imports_nothing_heavy() -> None:
    command = (
        "import sys, pipelines.cli; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'torch', 'kfp', 'pydantic', 'numpy', 'pandas', 'mlflow', 'rich', 'dvc'}))"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


def test_bad_settings_end_with_2_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    out = tmp_path / "out"

    done = _defectory(
        "run", "--data", str(tmp_path / "photos"), "--set", "plan.samples=99", "--out", str(out)
    )

    assert done.returncode == 2
    assert "plan.samples" in done.stderr
    assert not out.exists()
