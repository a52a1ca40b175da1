"""Building and pushing, with an engine that is played."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from image_recipe import stand_in

from components.image import BUILT, REGISTRY, SETS, image
from pipelines.images.build import Build, build
from pipelines.images.engine import ImagesFailed

_ENGINE = """
import json, os, sys
path = os.environ["ENGINE"]
state = json.load(open(path)) if os.path.exists(path) else {"built": 0, "names": {}, "labels": {}}
names, labels = state["names"], state["labels"]
command, *rest = sys.argv[1:]
if command == "image":
    command, *rest = rest
if command == "build":
    state["built"] += 1
    identity = "sha256:" + 32 * f"{state['built']:02x}"
    names[rest[rest.index("--tag") + 1]] = identity
    labels[identity] = rest[rest.index("--label") + 1]
elif command == "push":
    place = rest[0].rpartition(":")[0]
    state.setdefault("digests", []).append(
        f"{os.environ.get('LISTED') or place}@sha256:{names[rest[0]][7:]}"
    )
elif command == "inspect":
    if rest[-1] not in names:
        sys.exit(1)
    if "RepoDigests" in rest[1]:
        print(json.dumps(state.get("digests", [])[-1:]))
    else:
        print(names[rest[-1]] if "Id" in rest[1] else 1)
elif command == "ls":
    wanted = rest[-1].removeprefix("label=")
    print("\\n".join(one for one in names.values() if labels[one] == wanted))
elif command == "tag":
    names[rest[1]] = names.get(rest[0], rest[0])
elif command == "rmi":
    del names[rest[0]]
json.dump(state, open(path, "w"))
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that builds, tags and pushes in a file; everything is committed."""
    (tmp_path / "engine.py").write_text(_ENGINE)
    stand_in(tmp_path / "bin" / "docker", f'exec {sys.executable} {tmp_path}/engine.py "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("ENGINE", str(tmp_path / "engine.json"))
    monkeypatch.setenv(BUILT, str(tmp_path / "built.json"))
    monkeypatch.delenv(REGISTRY, raising=False)
    monkeypatch.setattr("pipelines.images.inputs.unchanged", lambda: True)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("committed", [True, False])
def test_an_image_that_is_there_is_not_built_again(
    committed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.images.inputs.unchanged", lambda: committed)

    def built(base: str) -> tuple[set[str], int]:
        found = build(Build(base=base, detectron2="none"))
        assert set(found) == set(SETS)
        state = json.loads((tmp_path / "engine.json").read_text())
        return {one.reference for one in found.values()}, state["built"]

    first, again, other = built("python:1"), built("python:1"), built("python:2")

    assert first[1] == 4
    assert again == (first if committed else (again[0], 7))
    assert committed or again[0].isdisjoint(first[0])
    assert other[1] == again[1] + 4
    assert other[0].isdisjoint(first[0] | again[0])


def _reference(request: Build) -> str:
    build(request)
    return image("data")


@pytest.mark.usefixtures("engine")
def test_a_digest_stays_on_record_as_long_as_it_is_true() -> None:
    pushed = Build(only=["data"], registry="own.example", base="python:1", push=True)

    first = _reference(pushed)
    again = _reference(replace(pushed, push=False))
    elsewhere = _reference(replace(pushed, push=False, registry="other.example"))
    back = _reference(replace(pushed, push=False))
    other = _reference(replace(pushed, push=False, base="python:2"))

    assert re.fullmatch(r"own\.example/defectory/data@sha256:\w{64}", first)
    assert again == first
    assert re.fullmatch(r"other\.example/defectory/data:\d+\.\d+\.\d+-\w{12}", elsewhere)
    assert re.fullmatch(r"own\.example/defectory/data:\d+\.\d+\.\d+-\w{12}", back)
    assert "@" not in other
    assert other != back


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("registry", "listed"),
    [
        ("docker.io/plant", "plant/defectory/data"),
        ("index.docker.io/plant", "plant/defectory/data"),
        ("docker.io/plant", "docker.io/plant/defectory/data"),
        ("own.example:5000", "own.example:5000/defectory/data"),
    ],
)
def test_a_digest_is_found_under_the_name_that_the_engine_lists(
    registry: str, listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTED", listed)

    reference = _reference(Build(only=["data"], registry=registry, push=True))

    assert re.fullmatch(rf"{registry}/defectory/data@sha256:\w{{64}}", reference)


@pytest.mark.usefixtures("engine")
def test_the_digest_of_another_place_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTED", "other.example/defectory/data")

    with pytest.raises(ImagesFailed, match=r"no digest of it, only other\.example"):
        build(Build(only=["data"], registry="own.example", push=True))


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("content", ["no json", "[]"])
def test_a_record_that_is_none_is_told_before_anything_is_built(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / "built.json").write_text(content)

    with pytest.raises(ImagesFailed, match=r"built\.json .*delete it, and build again"):
        build(Build(only=["data"]))
    assert not (tmp_path / "engine.json").exists()


@pytest.mark.usefixtures("engine")
def test_a_record_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(BUILT, str(tmp_path / "file" / "built.json"))

    with pytest.raises(ImagesFailed, match=f"cannot be written .*{BUILT}"):
        build(Build(only=["data"]))


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("variable", ["PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_are_not_there_are_told_by_who_names_them(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(one, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))

    with pytest.raises(ImagesFailed, match=rf"{variable} names .*ca\.pem, which is no file"):
        build(Build(only=["data"]))


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'nothing.sock'}")


@pytest.mark.usefixtures("no_engine")
def test_building_without_an_engine_says_how_to_get_one() -> None:
    with pytest.raises(ImagesFailed, match=r"DOCKER_HOST|install Docker Engine"):
        build(Build())


def test_pushing_nowhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REGISTRY, raising=False)

    with pytest.raises(ImagesFailed, match="--registry"):
        build(Build(push=True))


@pytest.mark.usefixtures("no_engine")
def test_a_run_in_containers_without_an_engine_says_what_to_do(
    tmp_path: Path, photo_folder: Path
) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "run", "--preset", "smoke"]
    done = subprocess.run(
        [*command, "--runner", "docker", "--data", str(photo_folder), "--out", str(tmp_path / "o")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert done.returncode not in (0, 2)
    assert "no Docker Engine answers" in done.stderr
    assert "--runner subprocess" in done.stderr
    assert "Traceback" not in done.stderr
