"""Reads a compiled package the way a backend does: every task with all that belongs to it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]

_COMPILE = """
import sys
from pathlib import Path
from pipelines.package import write_package
from pipelines.presets import preset
from pipelines.profiles import PROFILES
profile = PROFILES[sys.argv[1]]
write_package(preset(profile.preset), profile, Path(sys.argv[2]))
print("\\n".join(sorted(sys.modules)))
"""


def compile_package(
    profile: str,
    out: Path,
    project: Path = PROJECT,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Compile in a process of its own; returns the modules that were imported."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(project),
        **(environment or {}),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _COMPILE, profile, str(out)],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@dataclass(frozen=True)
class Task:
    """A task that runs a container, with its component, its executor and its platform."""

    name: str
    spec: dict[str, Any]
    component: dict[str, Any]
    container: dict[str, Any]
    kubernetes: dict[str, Any]
    within: str

    @property
    def step(self) -> str:
        return str(self.kubernetes["podMetadata"]["labels"]["app.kubernetes.io/component"])

    @property
    def resources(self) -> dict[str, Any]:
        return dict(self.container.get("resources", {}))

    @property
    def function(self) -> str:
        arguments = self.container["args"]
        return str(arguments[arguments.index("--function_to_execute") + 1])

    @property
    def program(self) -> str:
        return str(self.container["command"][-1])


class Package:
    """A compiled package."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text()
        self.spec, self.platform = yaml.safe_load_all(self.text)
        self.executors = self.spec["deploymentSpec"]["executors"]
        self.kubernetes = self.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        self.parameters = self.spec["root"]["inputDefinitions"]["parameters"]
        self.tasks = list(self._tasks())
        assert self.tasks, f"{path} has no task"

    def dags(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every DAG with its name, the root first."""
        yield "root", self.spec["root"]["dag"]
        for name, component in self.spec["components"].items():
            if "dag" in component:
                yield name, component["dag"]

    def of(self, step: str) -> list[Task]:
        """The tasks of a step; there is at least one."""
        found = [task for task in self.tasks if task.step == step]
        assert found, f"no task of {step}"
        return found

    def constants(self) -> Iterator[tuple[str, object]]:
        """Every value that is baked in, with the task that gets it."""
        for _, dag in self.dags():
            for name, task in dag["tasks"].items():
                for value in task.get("inputs", {}).get("parameters", {}).values():
                    if "runtimeValue" in value:
                        yield name, value["runtimeValue"]["constant"]
        for name, about in self.parameters.items():
            yield f"parameter {name}", about.get("defaultValue")

    def _tasks(self) -> Iterator[Task]:
        for within, dag in self.dags():
            for name, spec in dag["tasks"].items():
                component = self.spec["components"][spec["componentRef"]["name"]]
                label = component.get("executorLabel")
                if label is not None:
                    container = self.executors[label]["container"]
                    kubernetes = self.kubernetes.get(label, {})
                    yield Task(name, spec, component, container, kubernetes, within)
