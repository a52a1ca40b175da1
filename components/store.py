"""The store: what a step has made, found again by the content it was made from.

A step's *key* is a digest of everything its result depends on: its code, its settings, the
contents of its inputs and the versions of the packages that compute. Under its key a step has a
work folder while it runs, which survives a kill and is where the next try continues, and, by one
rename, a finished folder that is never written again. Paths and file times play no part.
"""

import ast
import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from components.retry import patiently

RECORD = "record.json"
"""What a run knows of the step beside its result: times, memory, lineage; not content."""

_ABSENT = "absent"
_BESIDE = ("*.jinja", "*.css", "*.dvc")
_COMPUTING = {
    "torch": "torch",
    "torchvision": "torchvision",
    "diffusers": "diffusers",
    "cv2": "opencv-python-headless",
    "numpy": "numpy",
    "scipy": "scipy",
}
"""Packages whose version decides about a result: as they are imported, and as they are called."""


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_tree(folder: Path) -> str:
    """SHA-256 over the relative names and contents of all files in a folder, but for the record."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != RECORD:
            total.update(f"{name}\0{digest_file(path)}\n".encode())
    return total.hexdigest()


def digest_code(module: str) -> str:
    """SHA-256 over the source of a module of this project and of all that it imports of it.

    Templates, styles and `.dvc` files in the folder of a module count as its source.
    """
    total = hashlib.sha256()
    for name in sorted(_imports(module)):
        source = _source(name)
        beside = (path for kind in _BESIDE for path in source.parent.glob(kind))
        for path in (source, *sorted(beside)):
            total.update(f"{name}\0{path.name}\0{digest_file(path)}\n".encode())
    return total.hexdigest()


def digest_step(module: str) -> str:
    """SHA-256 over a step's code and the versions of the packages that compute for it.

    Only packages that its modules import count: an image, or another machine, need not have those
    that other steps compute with.
    """
    packages = {package for name in _imports(module) for package in _computing_for(name)}
    versions = " ".join(f"{package}={_version(package)}" for package in sorted(packages))
    return hashlib.sha256(f"{digest_code(module)} {versions}".encode()).hexdigest()


@cache
def digest_packages() -> str:
    """The versions of the packages that compute and are installed here, as one string."""
    return " ".join(
        f"{name}={_version(name)}" for name in _COMPUTING.values() if _version(name) != _ABSENT
    )


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return _ABSENT


@dataclass(frozen=True)
class Slot:
    """The place of one step with one key in the store."""

    path: Path

    @property
    def work(self) -> Path:
        """Folder of the unfinished result; what an interrupted try left is still in it."""
        return self.path / "work"

    @property
    def result(self) -> Path:
        """Folder of the finished result."""
        return self.path / "result"

    @property
    def finished(self) -> bool:
        """Whether the result is there, whole."""
        return (self.result / RECORD).is_file()

    def finish(self, record: Mapping[str, Any]) -> None:
        """Turn the work folder into the result, with its record; its files become read-only.

        Other places hold links to them, so a file edited there in place would change here. May be
        called again where it failed.
        """
        # The last try may have got there, whatever the file system said of it.
        if not self.finished:
            (self.work / RECORD).write_text(json.dumps(record, indent=1))
            self.work.rename(self.result)
        # Not before: what could not be renamed is written to again.
        for path in self.result.rglob("*"):
            if path.is_file():
                path.chmod(0o444)


@dataclass(frozen=True)
class Store:
    """A folder of slots that outlives the processes, or the pods, that fill it."""

    path: Path

    def slot(self, step: str, key: str) -> Slot:
        """The slot of a step; its work folder exists when the step is not finished."""
        slot = Slot(self.path / step / key[:16])
        if not slot.finished:
            slot.work.mkdir(parents=True, exist_ok=True)
        return slot

    def found(self, step: str, key: str) -> Path | None:
        """The finished result of a step; None where there is none."""
        slot = Slot(self.path / step / key[:16])
        return slot.result if slot.finished else None


def key(
    code: str, settings: str, scalars: Mapping[str, object], inputs: Mapping[str, object]
) -> str:
    """The key of a step: a digest of all that its result depends on.

    Args:
        code: Digest of the step's code and of the packages that compute for it.
        settings: Its settings as canonical JSON.
        scalars: Its other parameters.
        inputs: Content digests of its inputs, a string or a list of strings each.
    """
    content = {
        "code": code,
        "settings": json.loads(settings),
        "scalars": dict(scalars),
        "inputs": dict(inputs),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def place(source: Path, target: Path) -> None:
    """Put a folder's files at another place, without copying where the file system can link."""
    if target.is_dir():
        shutil.rmtree(target)
    shutil.copytree(source, target, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Here, as copytree makes errors of its own of those of single files.
        patiently(lambda: shutil.copy2(source, target))


def _imports(module: str) -> set[str]:
    """The module and every module of this project that it imports, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_imported_by(name))
    return found


@cache
def _imported_by(module: str) -> frozenset[str]:
    return frozenset(
        name for node in ast.walk(ast.parse(_source(module).read_text())) for name in _named(node)
    )


@cache
def _computing_for(module: str) -> frozenset[str]:
    """The packages that compute and that a module imports, at its top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(_source(module).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return frozenset(_COMPUTING[name] for name in found & _COMPUTING.keys())


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        return
    for name in names:
        if name.split(".")[0] == "components" and _is_module(name):
            yield name


def _is_module(name: str) -> bool:
    return _file(name) is not None


def _source(module: str) -> Path:
    path = _file(module)
    if path is None:
        raise ModuleNotFoundError(f"no source for module {module}")
    return path


@cache
def _file(module: str) -> Path | None:
    """Where a module's source lies, found without importing it or the packages around it."""
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin)
    if not inner:
        return path
    path = path.parent.joinpath(*inner)
    found = (path.with_suffix(".py"), path / "__init__.py")
    return next((one for one in found if one.is_file()), None)
