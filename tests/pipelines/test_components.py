"""Every component calls a step that exists and takes what the component gives it."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import components

ROOT = Path(components.__file__).parent
CALLS = [
    (path.relative_to(ROOT.parent), call)
    for path in sorted(ROOT.rglob("component.py"))
    for call in ast.walk(ast.parse(path.read_text()))
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "run"
]


def _keys(node: ast.expr) -> set[str]:
    return {
        str(key.value)
        for one in ast.walk(node)
        if isinstance(one, ast.Dict)
        for key in one.keys
        if isinstance(key, ast.Constant)
    }


def test_every_step_folder_has_a_component_and_a_readme() -> None:
    folders = {path.parent for path in ROOT.rglob("settings.py")} - {ROOT}

    assert len(folders) >= 10
    for folder in folders:
        assert (folder / "component.py").is_file(), folder
        assert (folder / "README.md").is_file(), folder


@pytest.mark.parametrize(
    ("path", "call"), CALLS, ids=[f"{path.parent.name}-{call.lineno}" for path, call in CALLS]
)
def test_a_component_calls_its_step_with_the_step_s_parameters(path: Path, call: ast.Call) -> None:
    reference = call.args[0]
    assert isinstance(reference, ast.Constant)
    module, _, name = str(reference.value).partition(":")
    step = getattr(importlib.import_module(module), name)
    options = {option.arg: option.value for option in call.keywords}

    given = {"out", "settings"}
    for option in ("inputs", "scalars", "places"):
        if option in options:
            given |= _keys(options[option])
    parameters = inspect.signature(step).parameters
    required = {n for n, p in parameters.items() if p.default is inspect.Parameter.empty}

    assert given <= set(parameters), f"{path} gives {step} what it does not take"
    assert required <= given, f"{path} does not give {step} all that it needs"


def test_there_are_components_to_check() -> None:
    assert len(CALLS) >= 13
