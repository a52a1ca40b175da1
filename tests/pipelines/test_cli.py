import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.cli import COMMANDS

PROJECT = Path(__file__).resolve().parents[2]
HEAVY = {
    "torch",
    "kfp",
    "pydantic",
    "numpy",
    "pandas",
    "mlflow",
    "rich",
    "dvc",
    "yaml",
    "kubernetes",
}


def _defectory(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "COMMAND"),
        (["run", "--help"], 0, "presets:"),
        (["schedule", "create", "--help"], 0, "--time-zone"),
        (["run", "--nonsense"], 2, "--nonsense"),
        (["run", "--preset", "fast"], 2, "quickstart"),
        (["run", "--runner", "podman"], 2, "docker"),
        (["run", "--data", "no/such/folder"], 2, "no/such/folder"),
        (["run", "--base-model", "./nowhere"], 2, "./nowhere"),
        (["compile", "-o", "x.yaml"], 2, "--profile"),
        (["deploy", "--profile", "laptop"], 2, "kind"),
        (["images"], 2, "build|list"),
        (["images", "build", "--only", "everything"], 2, "diffusion"),
        (["submit", "--timeout", "soon"], 2, "soon"),
        (["schedule", "create", "nightly"], 2, "--cron"),
        (["schedule", "create", "n", "--cron", "x", "--latest", "--version", "v"], 2, "--version"),
        (["runs", "--state", "DONE"], 2, "SUCCEEDED"),
        (["runs", "--wait"], 2, "name the run"),
        (["logs"], 2, "RUN"),
        (["logs", "x", "--tail", "-1"], 2, "--tail"),
        (["fly"], 2, "deploy"),
        ([], 2, "COMMAND"),
    ],
)
def test_simple_questions_are_answered_at_once(
    arguments: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # -X importtime lists what was imported, whatever the machine's load.
    command = [sys.executable, "-X", "importtime", "-c", "from pipelines.cli import main; main()"]

    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)

    lines = done.stderr.splitlines()
    imported = {
        line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")
    }
    spoken = "\n".join(line for line in lines if not line.startswith("import time:"))
    assert done.returncode == code
    assert said in done.stdout + spoken
    assert "argparse" in imported
    assert {name.split(".")[0] for name in imported} & HEAVY == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = _defectory(command, "--help")

    assert done.returncode == 0
    assert "examples:" in done.stdout
    assert f"defectory {command}" in done.stdout


def test_help_takes_less_than_half_a_second() -> None:
    """The best of several, since other processes take their share."""
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        _defectory("--help")
        taken.append(time.perf_counter() - started)

    assert min(taken) < 0.5


def test_exit_codes_are_documented() -> None:
    text = _defectory("--help").stdout

    assert [code for code in ("0", "1", "2", "3", "130") if f"\n  {code} " in text] == [
        "0", "1", "2", "3", "130",
    ]  # fmt: skip


def test_bad_settings_end_with_2_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    out = tmp_path / "out"

    done = _defectory(
        "run", "--data", str(tmp_path / "photos"), "--set", "plan.samples=99", "--out", str(out)
    )

    assert done.returncode == 2
    assert "plan.samples" in done.stderr
    assert not out.exists()


def test_compiling_writes_a_package_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    done = _defectory("compile", "--profile", "kind", "-o", str(tmp_path / "package.yaml"))

    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["package.yaml"]
    assert "skip_unchanged" in (tmp_path / "package.yaml").read_text()


def test_compiling_warns_of_images_that_a_cluster_would_not_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(reference: str, *names: str) -> str:
        record = {one: {"reference": reference.format(one), "digest": None} for one in names}
        (tmp_path / "built.json").write_text(json.dumps(record))
        monkeypatch.setenv("DEFECTORY_IMAGES", str(tmp_path / "built.json"))
        done = _defectory("compile", "--profile", "gpu", "-o", str(tmp_path / "package.yaml"))
        assert done.returncode == 0, done.stderr
        return done.stderr

    sets = ("data", "diffusion", "detection")
    assert "no build of data, diffusion, detection is on record" in said("")
    assert "names without a registry" in said("defectory/{}:0.1.0-1", *sets)
    assert said("registry.example/defectory/{}:0.1.0-1", *sets) == ""


@pytest.mark.parametrize("command", [("run",), ("compile", "--profile", "kind", "-o", "x.yaml")])
def test_a_record_of_images_that_is_not_there_is_told(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    monkeypatch.setenv("DEFECTORY_IMAGES", "gone.json")

    done = _defectory(*command)

    assert (done.returncode, done.stdout) == (2, "")
    assert "DEFECTORY_IMAGES names gone.json, which is not there" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_compiled_is_told_all_at_once(tmp_path: Path) -> None:
    done = _defectory(
        "compile", "--profile", "kind", "-o", str(tmp_path / "no" / "package.yaml"),
        "--data", str(tmp_path), "--set", "mask_rcnn.weights=/here/weights.pth",
    )  # fmt: skip

    assert done.returncode == 2
    assert all(
        one in done.stderr for one in ("no folder", f"--data {tmp_path}", "mask_rcnn.weights")
    )
    assert "Traceback" not in done.stderr


def test_all_images_are_listed_one_a_line() -> None:
    done = _defectory("images", "list")

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) > 10
    assert all(len(line.split()) == 1 for line in lines)
    assert any("defectory" in line for line in lines)
    assert any("kfp-launcher" in line for line in lines)
    assert not any(line.endswith(":latest") for line in lines)
