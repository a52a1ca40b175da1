"""What building images says of a git or an engine that does not do its part."""

import shutil
import subprocess
from pathlib import Path

import pytest

from components.image import BUILT
from pipelines.images import recipes
from pipelines.images.about import project_version
from pipelines.images.build import Build, build
from pipelines.images.engine import ImagesFailed

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


CONTAINERD = """#!/bin/sh
# As an engine that keeps its images in containerd: an id is that of the attestations too, and what
# buildx notes as the id is not known.
case "$1 $2" in
"version "*) echo 29.0.0 ;;
"build "*)
    while [ $# -gt 1 ]; do
        case "$1" in
        --tag) built=$2 ;;
        --iidfile) echo sha256:0123456789abcdef > "$2" ;;
        esac
        shift
    done
    if [ -n "$BUILDX_NO_DEFAULT_ATTESTATIONS" ]; then content=fedcba9876543210; else content=$$; fi
    [ -n "$KEPT" ] || echo "sha256:$content" > "$0.$(echo "$built" | tr / _)" ;;
"image inspect")
    for known; do :; done
    case "$*" in
    *Id*) cat "$0.$(echo "$known" | tr / _)" ;;
    *Size*) [ -f "$0.$(echo "$known" | tr / _)" ] && echo 1000 ;;
    esac ;;
"tag "*) cp "$0.$(echo "$2" | tr / _)" "$0.$(echo "$3" | tr / _)" ;;
"rmi "*) rm "$0.$(echo "$2" | tr / _)" ;;
esac
"""


def test_an_image_keeps_its_name_where_the_engine_keeps_images_in_containerd(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tr", "cp", "rm"):
        (tools / name).symlink_to(str(shutil.which(name, path="/usr/bin:/bin")))
    (tools / "docker").write_text(CONTAINERD)
    monkeypatch.setenv(BUILT, str(tmp_path / "built.json"))
    monkeypatch.delenv("BUILDX_NO_DEFAULT_ATTESTATIONS", raising=False)

    first, second = (build(Build(registry="own.example"))["diffusion"] for _ in range(2))

    assert first == second
    assert first.id == "sha256:fedcba9876543210"
    assert first.reference.endswith("-fedcba987654")
    names = {path.name for path in tools.glob("docker.own.example_*_diffusion:*")}
    plain = f"docker.own.example_defectory_diffusion:{project_version()}"
    assert names == {f"docker.{first.reference.replace('/', '_')}", plain}

    # A builder that gives the engine nothing: what an earlier build left is not taken for it.
    monkeypatch.setenv("KEPT", "yes")
    with pytest.raises(ImagesFailed, match="image inspect"):
        build(Build(registry="own.example"))


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
    monkeypatch.setattr(recipes, "FOLDER", tmp_path / "recipes")
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
