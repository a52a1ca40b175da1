"""What building images says of a git or an engine that does not do its part."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines import images
from pipelines.images import Build, ImagesFailed, build

ENGINE = """#!/bin/sh
case "$1" in
version) echo 29.0.0 ;;
import) cat > /dev/null; echo "progress" >&2; echo "no space left on device" >&2; exit 1 ;;
build) echo "$@" > "$0.arguments"; exit 1 ;;
esac
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with programs, with an engine that does not build; git is not there."""
    folder = tmp_path / "tools"
    folder.mkdir()
    engine = folder / "docker"
    engine.write_text(ENGINE)
    engine.chmod(0o755)
    for name in ("sh", "cat"):
        (folder / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def detectron2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, and recipes that name its commit."""
    folder = tmp_path / "detectron2"
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run(
        ["git", "-C", str(folder), *who, "commit", "-q", "--allow-empty", "-m", "one"], check=True
    )
    done = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "detection.Dockerfile").write_text(
        f"ARG DETECTRON2_REVISION={done.stdout.strip()}\n"
    )
    monkeypatch.setattr(images, "FOLDER", tmp_path / "recipes")
    return folder


def test_without_git_the_images_do_not_say_where_their_code_is_published(tools: Path) -> None:
    with pytest.raises(ImagesFailed, match="'data' was not built"):
        build(Build(only=["data"]))

    arguments = (tools / "docker.arguments").read_text()
    assert "REVISION=unknown" in arguments
    assert "SOURCE=" not in arguments


def test_without_git_detectron2_cannot_be_read_from_a_repository(
    detectron2: Path, tools: Path
) -> None:
    with pytest.raises(ImagesFailed, match=r"no `git` command.*--detectron2 none"):
        build(Build(only=["detection"], detectron2=str(detectron2)))


def test_why_the_engine_did_not_take_detectron2_is_told(detectron2: Path, tools: Path) -> None:
    git = shutil.which("git", path="/usr/local/bin:/usr/bin:/bin")
    (tools / "git").symlink_to(str(git))

    with pytest.raises(ImagesFailed, match="no space left on device"):
        build(Build(only=["detection"], detectron2=str(detectron2)))
