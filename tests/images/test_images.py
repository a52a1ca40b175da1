"""The images' recipes, their names, and what building says when it cannot."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from components import store
from components.image import BUILT, REGISTRY, SETS, DependencySet, image
from components.tracking import REVISION
from pipelines.images import FOLDER, OTHERS, Build, ImagesFailed, build, listing, tag

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "a" * 64

GIVEN = {"kfp", "detectron2"}
"""Installed without being listed: kfp alone, without what it needs; detectron2 as its own wheel."""


def _dockerfile(name: str) -> str:
    return (FOLDER / f"{name}.Dockerfile").read_text().replace("\\\n", " ")


def _instructions(name: str, *kinds: str) -> list[str]:
    lines = (line.strip() for line in _dockerfile(name).splitlines())
    return [line for line in lines if line.split(" ")[0] in kinds]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _closure(names: list[str]) -> set[str]:
    """The packages named, and all that they need on this platform."""
    waiting = [(name, frozenset[str]()) for name in names]
    seen = set()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting.extend(_needed(*one))
    return {name for name, _ in seen}


@cache
def _needed(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    try:
        needed = [Requirement(one) for one in requires(name) or []]
    except PackageNotFoundError:
        return []
    contexts = [{"extra": extra} for extra in extras or {""}]
    return [
        (_plain(one.name), frozenset(one.extras))
        for one in needed
        if one.marker is None or any(one.marker.evaluate(each) for each in contexts)
    ]


def _listed(dependencies: str) -> list[str]:
    lists = [dependencies] if dependencies == "data" else ["torch", dependencies]
    lines = [line for one in lists for line in (FOLDER / f"{one}.txt").read_text().splitlines()]
    return [_plain(line) for line in lines if line and not line.startswith("#")]


def _steps() -> list[tuple[str, str, set[str]]]:
    """Every component: its name, its image's dependency set, the project's modules it leads to."""
    found = []
    for path in sorted((ROOT / "components").rglob("component.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            for decorator in node.decorator_list:
                if chosen := re.search(r"image\('(\w+)'\)", ast.unparse(decorator)):
                    references = re.findall(r"'(components\.[\w.]+)(?::\w+)?'", ast.unparse(node))
                    named = {name for one in ast.walk(node) for name in store._named(one)}
                    modules = set[str]()
                    for one in {*named, *references}:
                        modules |= store._imports(one)
                    found.append((node.name, chosen[1], modules))
    return found


@cache
def _imported(module: str) -> set[str]:
    """Other people's packages that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(store._source(module).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"components", "pipelines"}


def test_an_image_holds_what_its_steps_import() -> None:
    steps = _steps()
    distributions = packages_distributions()
    lacking = []
    for step, dependencies, modules in steps:
        installed = _closure(_listed(dependencies)) | GIVEN
        for package in {package for module in modules for package in _imported(module)}:
            providers = {_plain(one) for one in distributions.get(package, [package])}
            if not providers & installed:
                lacking.append(f"{step} in {dependencies}: {package}")

    assert len(steps) >= 14
    assert {dependencies for _, dependencies, _ in steps} == set(SETS)
    assert lacking == []


def test_an_image_without_torch_is_only_for_steps_that_need_none() -> None:
    assert "torch" not in _closure(_listed("data"))
    assert {"torch", "diffusers"} <= _closure(_listed("diffusion"))
    assert {"torch", "torchvision"} <= _closure(_listed("detection"))


@pytest.mark.parametrize("name", ["data", "torch", "diffusion", "detection"])
def test_a_base_is_a_build_argument_pinned_by_digest(name: str) -> None:
    stages = _instructions(name, "FROM")
    defaults = re.findall(r"^ARG BASE=(\S+)$", _dockerfile(name), re.MULTILINE)
    earlier = {stage.split(" AS ")[1] for stage in stages if " AS " in stage}

    assert len(stages) >= 3, "not in stages"
    assert len(defaults) == 1
    assert re.fullmatch(r"\S+:\S+@sha256:[0-9a-f]{64}", defaults[0])
    for stage in stages:
        origin = stage.split()[1]
        assert re.fullmatch(r"\$\{\w+\}", origin) or origin == "scratch" or origin in earlier


def _user(recipe: str) -> str:
    """Whom an image runs as: its last stage says so, or what that stage stands on."""
    users: dict[str, str] = {}
    user = name = ""
    for line in recipe.replace("\\\n", " ").splitlines():
        if stage := re.match(r"FROM (\S+)(?: AS (\S+))?", line):
            origin, name = stage[1], stage[2] or ""
            # The base of all is root's.
            torch = origin == "${TORCH}"
            user = _user(_dockerfile("torch")) if torch else users.get(origin, "0")
        elif given := re.match(r"USER (\S+)", line):
            user = given[1]
        users[name] = user
    return user


@pytest.mark.parametrize("name", SETS)
def test_an_image_runs_as_nobody_and_says_what_it_is(name: DependencySet) -> None:
    ground = _dockerfile("data" if name == "data" else "torch")
    (label,) = _instructions(name, "LABEL")

    last = _dockerfile(name).rpartition("\nFROM ")[2]
    assert re.search(rf"^ARG REVISION=unknown$.*^ENV {REVISION}=\$REVISION$", last, re.M | re.S)
    assert _user(_dockerfile(name)) == "65532:0"
    assert _user(_dockerfile(name) + "USER 0\n") == "0"
    assert _user(ground.replace("USER 65532:0\n", "")) == "0"
    assert "HOME=/tmp" in ground
    for one in ("source", "revision", "version"):
        assert f"org.opencontainers.image.{one}=$" in label


@pytest.mark.parametrize("name", ["data", "torch", "diffusion", "detection"])
def test_secrets_are_mounted_and_never_copied(name: str) -> None:
    text = _dockerfile(name)

    assert "--mount=type=secret,id=ca" in text
    assert not re.search(r"^(ARG|ENV|COPY).*(CERT|INDEX|PASSWORD|TOKEN)", text, re.MULTILINE)
    assert ":latest" not in text


def test_the_scripts_are_whole() -> None:
    scripts = [FOLDER / one for one in ("index", "install", "resolve", "bootstrap")]
    scripts += [ROOT / ".ci" / "run", ROOT / ".ci" / "containers"]

    for script in scripts:
        first = script.read_text().splitlines()[0]
        shell = "bash" if "bash" in first else "sh"
        subprocess.run([shell, "-n", str(script)], check=True)


def _stand_in(path: Path, code: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{code}\n")
    path.chmod(0o755)


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
    _stand_in(tmp_path / "venv" / "bin" / "python3", without)
    _stand_in(tmp_path / "base" / "python3", _PIP if base_has_pip else without)
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
    stage = _dockerfile("detection").partition(" AS wheel\n")[2].partition("\nFROM ")[0]
    (command,) = re.findall(r"^RUN (.*)$", stage, re.MULTILINE)
    command = re.sub(r"--mount=\S+", "", command)
    for place in ("/source", "/detectron2", "/wheels", "/uv/bin", "/opt/venv"):
        command = re.sub(rf"(?<![\w/.]){place}(?!\w)", f"{tmp_path}{place}", command)
    binaries = tmp_path / "bin"
    log = f'echo "${{0##*/}} $1" >> {tmp_path}/calls'
    _stand_in(binaries / "apt-get", log if apt else f"{log}; exit 100")
    _stand_in(tmp_path / "uv" / "bin" / "uv", log)
    if compiler:
        _stand_in(binaries / "g++", "")
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


def test_a_name_is_never_latest_and_the_digest_counts_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "digests.json"
    entry = {"id": DIGEST, "size": 1}
    file.write_text(
        json.dumps(
            {
                "data": entry | {"reference": "r.example:5000/x/data:1-a", "digest": DIGEST},
                "diffusion": entry | {"reference": "defectory/diffusion:1-a", "digest": None},
            }
        )
    )
    monkeypatch.setenv(BUILT, str(file))
    monkeypatch.setenv(REGISTRY, "r.example:5000/x/")

    assert image("data") == f"r.example:5000/x/data@{DIGEST}"
    assert image("diffusion") == "defectory/diffusion:1-a"
    assert re.fullmatch(r"r\.example:5000/x/defectory/detection:\d+\.\d+\.\d+", image("detection"))


def test_two_contents_never_share_a_tag() -> None:
    assert tag("0.1.0", DIGEST) != tag("0.1.0", "sha256:" + "b" * 64)


@pytest.mark.parametrize("content", [None, "no json", '["a list"]', '{"data": {"digest": null}}'])
def test_a_file_of_images_that_is_none_is_refused(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "digests.json"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv(BUILT, str(file))

    with pytest.raises(ValueError, match="defectory images build"):
        image("data")


def test_the_listing_has_ours_the_base_and_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = tmp_path / "images.txt"
    others.write_text("# KFP\nghcr.io/kubeflow/kfp-driver:2.17.0  # a remark\n\nmysql:8.4\n")
    monkeypatch.setattr("pipelines.images.OTHERS", others)
    lines = listing()

    assert lines[: len(SETS)] == [image(one) for one in SETS]
    assert lines[len(SETS)].startswith("python:3.11-slim-bookworm@sha256:")
    assert lines[-2:] == ["ghcr.io/kubeflow/kfp-driver:2.17.0", "mysql:8.4"]


def test_the_listing_names_no_image_without_a_version() -> None:
    lines = listing()

    assert len(lines) > len(SETS)
    assert [one for one in lines if ":" not in one or one.endswith(":latest")] == []
    if OTHERS.is_file():
        assert len(lines) > len(SETS) + 10


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
elif command == "inspect":
    if rest[-1] not in names:
        sys.exit(1)
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


@pytest.mark.parametrize("committed", [True, False])
def test_an_image_that_is_there_is_not_built_again(
    committed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine.py").write_text(_ENGINE)
    _stand_in(tmp_path / "bin" / "docker", f'exec {sys.executable} {tmp_path}/engine.py "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("ENGINE", str(tmp_path / "engine.json"))
    monkeypatch.setenv(BUILT, str(tmp_path / "built.json"))
    monkeypatch.setattr("pipelines.images.unchanged", lambda: committed)

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
