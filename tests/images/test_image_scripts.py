"""The images' scripts and the commands of their recipes, with stand-ins for what they call."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from image_recipe import dockerfile, stand_in

from pipelines.images.recipes import FOLDER

ROOT = Path(__file__).parents[2]


def test_the_scripts_are_whole() -> None:
    scripts = [FOLDER / one for one in ("index", "install", "resolve", "bootstrap")]
    scripts += [ROOT / ".ci" / "run", ROOT / ".ci" / "containers"]

    for script in scripts:
        first = script.read_text().splitlines()[0]
        shell = "bash" if "bash" in first else "sh"
        subprocess.run([shell, "-n", str(script)], check=True)


_PIP = """
[ "$1 $2" = "-m pip" ] || exit 9
case "$3 $4 $5" in
  "--version"*) ;;
  "config get global.index-url") sed -n 's/^index-url = //p' "$PIP_CONFIG_FILE" ;;
  *) echo "no such key" >&2; exit 1 ;;
esac
"""


@pytest.mark.parametrize("base_has_pip", [True, False])
def test_the_index_is_asked_of_a_python_that_has_pip(base_has_pip: bool, tmp_path: Path) -> None:
    # As in the images on top of torch: the environment comes first in PATH, and is without pip.
    without = "echo 'No module named pip' >&2; exit 1"
    stand_in(tmp_path / "venv" / "bin" / "python3", without)
    stand_in(tmp_path / "base" / "python3", _PIP if base_has_pip else without)
    (tmp_path / "pip").write_text("[global]\nindex-url = https://index.example/simple\n")
    script = (FOLDER / "index").read_text().replace("/run/secrets", str(tmp_path))
    script = script.replace("/opt/venv", str(tmp_path / "venv"))

    done = subprocess.run(
        ["sh", "-euc", f'{script}\necho "$UV_DEFAULT_INDEX ${{UV_INDEX-}}"; command -v python3'],
        env={"PATH": f"{tmp_path}/venv/bin:{tmp_path}/base:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    if base_has_pip:
        said = done.stdout.splitlines()
        assert said == ["https://index.example/simple ", f"{tmp_path}/venv/bin/python3"]
    else:
        assert done.returncode == 1
        assert "name a base whose python3 has pip" in done.stderr


@pytest.mark.parametrize(
    ("source", "compiler", "apt", "called"),
    [
        (False, False, True, []),
        (True, True, True, ["uv"]),
        (True, False, True, ["apt-get update", "apt-get install", "uv"]),
        (True, False, False, ["apt-get update"]),
    ],
)
def test_a_compiler_is_fetched_only_for_a_source_that_has_none(
    source: bool, compiler: bool, apt: bool, called: list[str], tmp_path: Path
) -> None:
    """The wheel stage, with stand-ins for what it calls."""
    stage = dockerfile("detection").partition(" AS wheel\n")[2].partition("\nFROM ")[0]
    (command,) = re.findall(r"^RUN (.*)$", stage, re.MULTILINE)
    command = re.sub(r"--mount=\S+", "", command)
    for place in ("/source", "/detectron2", "/wheels", "/uv/bin", "/opt/venv"):
        command = re.sub(rf"(?<![\w/.]){place}(?!\w)", f"{tmp_path}{place}", command)
    binaries = tmp_path / "bin"
    log = f'echo "${{0##*/}} $1" >> {tmp_path}/calls'
    stand_in(binaries / "apt-get", log if apt else f"{log}; exit 100")
    stand_in(tmp_path / "uv" / "bin" / "uv", log)
    if compiler:
        stand_in(binaries / "g++", "")
    for name in ("sh", "cp"):
        (binaries / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "source").mkdir()
    if source:
        (tmp_path / "source" / "setup.py").touch()

    done = subprocess.run(
        ["sh", "-c", command], env={"PATH": str(binaries)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    calls = tmp_path / "calls"
    lines = calls.read_text().splitlines() if calls.is_file() else []
    assert [one.removesuffix(" build") for one in lines] == called
    assert done.returncode == (0 if apt else 1), done.stderr
    assert ("name a base that has it" in done.stderr) == (not apt)


_DOCKER = """
echo "docker $*" >> "$CALLS"
case "$1 $2" in
"info "*) echo 29.0.0 ;;
"image inspect") [ "$3" = "$PRESENT" ] ;;
"pull -q") [ "$3" = "$PULLABLE" ] ;;
esac
"""
_PYTHON = """
echo "python $*" >> "$CALLS"
case "$*" in *"images build"*) echo '{}' > "$DEFECTORY_IMAGES" ;; esac
"""


@pytest.mark.parametrize(
    ("pullable", "present", "base", "made"),
    [
        ("pinned", "", "", False),
        ("", "pinned", "", False),
        ("", "tag", "--base python:3.11-slim-bookworm", False),
        ("", "", "--base python:3.11-slim-bookworm", True),
    ],
)
def test_the_pinned_base_is_built_on_wherever_it_can_be_had(
    pullable: str, present: str, base: str, made: bool, tmp_path: Path
) -> None:
    """`.ci/containers`, with stand-ins for the engine, Python and debootstrap."""
    (pinned,) = set(re.findall(r"^ARG BASE=(\S+)$", dockerfile("data"), re.MULTILINE))
    named = {"pinned": pinned, "tag": pinned.partition("@")[0], "": "nothing"}
    project, calls = tmp_path / "project", tmp_path / "calls"
    for name in (".ci/containers", "images/data.Dockerfile"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, project / name)
    stand_in(project / ".venv" / "bin" / "python", _PYTHON)
    stand_in(project / "images" / "bootstrap", 'echo "bootstrap $*" >> "$CALLS"')
    stand_in(tmp_path / "bin" / "docker", _DOCKER)
    stand_in(tmp_path / "bin" / "df", "echo Avail; echo 99G")
    stand_in(tmp_path / "bin" / "git", "exit 1")

    done = subprocess.run(
        [project / ".ci" / "containers"],
        env={
            "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
            "CALLS": str(calls),
            "PULLABLE": named[pullable],
            "PRESENT": named[present],
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    lines = calls.read_text().splitlines()
    (build,) = [one for one in lines if "images build" in one]
    assert build.split("images build")[1].split() == [*base.split(), "--detectron2", "none"]
    assert ("bootstrap python:3.11-slim-bookworm" in lines) == made
    assert lines[-1].startswith("python tests/images/same_in_containers.py ")
