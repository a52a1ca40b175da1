"""The images' recipes: what they install, stand on, run as and say of themselves."""

import ast
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from image_recipe import dockerfile, instructions, stand_in
from packaging.requirements import Requirement

from components import store
from components.image import SETS, DependencySet
from components.tracking import REVISION
from pipelines.images.recipes import FOLDER

ROOT = Path(__file__).parents[2]

GIVEN = {"kfp", "detectron2"}
"""Installed without being listed: kfp alone, without what it needs; detectron2 as its own wheel."""


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
    stages = instructions(name, "FROM")
    defaults = re.findall(r"^ARG BASE=(\S+)$", dockerfile(name), re.MULTILINE)
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
            user = _user(dockerfile("torch")) if torch else users.get(origin, "0")
        elif given := re.match(r"USER (\S+)", line):
            user = given[1]
        users[name] = user
    return user


@pytest.mark.parametrize("name", SETS)
def test_an_image_runs_as_nobody_and_says_what_it_is(name: DependencySet) -> None:
    ground = dockerfile("data" if name == "data" else "torch")
    (label,) = instructions(name, "LABEL")

    last = dockerfile(name).rpartition("\nFROM ")[2]
    assert re.search(rf"^ARG REVISION=unknown$.*^ENV {REVISION}=\$REVISION$", last, re.M | re.S)
    assert _user(dockerfile(name)) == "65532:0"
    assert _user(dockerfile(name) + "USER 0\n") == "0"
    assert _user(ground.replace("USER 65532:0\n", "")) == "0"
    assert "HOME=/tmp" in ground
    for one in ("source", "revision", "version"):
        assert f"org.opencontainers.image.{one}=$" in label


@pytest.mark.parametrize("name", ["data", "torch", "diffusion", "detection"])
def test_secrets_are_mounted_and_never_copied(name: str) -> None:
    text = dockerfile(name)

    assert "--mount=type=secret,id=ca" in text
    assert not re.search(r"^(ARG|ENV|COPY).*(CERT|INDEX|PASSWORD|TOKEN)", text, re.MULTILINE)
    assert ":latest" not in text


def _table() -> dict[str, set[str]]:
    """The components of every image, as the images' README has them."""
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", said)) for name, said in rows}


def test_the_readme_names_the_components_of_every_image() -> None:
    components: dict[str, set[str]] = {}
    for component, dependencies, _ in _steps():
        components.setdefault(dependencies, set()).add(component)

    assert _table() == components


def test_the_ground_says_nothing_that_differs_from_commit_to_commit() -> None:
    assert instructions("torch", "LABEL") == []
    assert "REVISION" not in dockerfile("torch")


def test_everybody_may_read_the_project_whatever_the_checkouts_umask(tmp_path: Path) -> None:
    """The command that finishes the project in the image, on files as umask 077 leaves them."""
    stage = dockerfile("data").partition(" AS project\n")[2].partition("\nFROM ")[0]
    (command,) = re.findall(r"^RUN (.*)$", stage, re.MULTILINE)
    project = tmp_path / "project"
    for folder in (project, project / "images", project / "components" / "gate"):
        folder.mkdir(parents=True, exist_ok=True)
    for name in ("requirements.lock", "components/gate/decide.py", "components/askpass.py"):
        (project / name).write_text("x")
        (project / name).chmod(0o600)
    (project / "components" / "askpass.py").chmod(0o700)
    (project / "components" / "record.json").touch(0o664)
    for folder in (project, *(one for one in project.rglob("*") if one.is_dir())):
        folder.chmod(0o700)
    stand_in(tmp_path / "bin" / "python", "")

    subprocess.run(
        ["sh", "-ec", command],
        cwd=project,
        env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"},
        check=True,
    )

    modes = {one.relative_to(project): one.stat().st_mode & 0o777 for one in project.rglob("*")}
    assert project.stat().st_mode & 0o777 == 0o755
    assert modes == {
        Path("components"): 0o755,
        Path("components/askpass.py"): 0o755,
        Path("components/record.json"): 0o644,
        Path("components/gate"): 0o755,
        Path("components/gate/decide.py"): 0o644,
    }
