import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kfp_backend import Backend, serving
from kfp_checks import read_documents, struct

VARIABLES = (
    "KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT", "KF_PIPELINES_SA_TOKEN_PATH",
    "DEFECTORY_TOKEN", "DEFECTORY_COOKIES", "DEFECTORY_NAMESPACE", "DEFECTORY_SERVER_TIME_ZONE",
    "DEFECTORY_ANSWER_SECONDS", "KUBERNETES_SERVICE_HOST", "KUBEFLOW_USERID_HEADER",
    "DEFECTORY_IMAGES", "DEFECTORY_REGISTRY",
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str


Defectory = Callable[..., Done]


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DEFECTORY_IMAGES", str(_pushed(home / "digests.json")))
    set_kubeconfig(monkeypatch, home / "no-such-config")
    from kfp.client import Client

    monkeypatch.setattr(Client, "_LOCAL_KFP_CONTEXT", str(home / "context.json"))


def _pushed(path: Path) -> Path:
    """The file of images that were built and pushed; nothing is deployed without."""
    images = {
        name: {"reference": f"registry.example/defectory/{name}:1", "digest": f"sha256:{mark * 64}"}
        for name, mark in (("data", "1"), ("diffusion", "2"), ("detection", "3"))
    }
    path.write_text(json.dumps(images))
    return path


def set_kubeconfig(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Set kubectl's configuration; Kubernetes' client reads the variable when it is imported."""
    from kubernetes.config import kube_config

    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))


def kubeconfig(path: Path, url: str) -> None:
    """A kubectl configuration for a server at an address."""
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
        f"clusters: [{{name: here, cluster: {{server: '{url}'}}}}]\n"
        "users: [{name: ada, user: {token: kubernetes-token}}]\n"
        "contexts: [{name: here, context: {cluster: here, user: ada}}]\n"
    )


@pytest.fixture
def backend() -> Iterator[Backend]:
    with serving(Backend()) as running:
        yield running


@pytest.fixture
def cluster(backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The server is Kubernetes' API too, and kubectl is set up for it."""
    kubeconfig(tmp_path / "config", backend.url)
    set_kubeconfig(monkeypatch, tmp_path / "config")
    return backend


@pytest.fixture
def defectory(capsys: pytest.CaptureFixture[str]) -> Defectory:
    """Runs a command in this process, which has imported KFP's client already."""

    def run(*words: str) -> Done:
        from pipelines.cli import main

        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(words))
        captured = capsys.readouterr()
        return Done(int(end.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Lets what was compiled be copied; a compilation takes seconds and is deterministic."""
    from pipelines import package

    write = package.write_package
    done: dict[str, Path] = {}

    def remembered(config: Any, profile: Any, out: Path, *data: str) -> None:
        key = repr((config, profile.name, data))
        if key not in done:
            kept = tmp_path_factory.mktemp("compiled") / "package.yaml"
            write(config, profile, kept, *data)
            done[key] = kept
        shutil.copyfile(done[key], out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "write_package", remembered)
        yield


@pytest.fixture(scope="session")
def package(_compiled_once: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real pipeline, as `defectory compile --profile kind` writes it."""
    from pipelines.cli import main

    out = tmp_path_factory.mktemp("package") / "defectory.yaml"
    with pytest.raises(SystemExit) as end:
        main(["compile", "--profile", "kind", "-o", str(out)])
    assert end.value.code == 0
    return out


@pytest.fixture
def deployed(backend: Backend, package: Path) -> Backend:
    """A server that has the real pipeline, in one version."""
    put(backend, package, "defectory-valvano-kind", "0123456789ab")
    return backend


@pytest.fixture
def schedule(deployed: Backend, defectory: Defectory) -> Defectory:
    """Runs a command of `defectory schedule` against the server."""

    def run(what: str, *words: str) -> Done:
        return defectory("schedule", what, *words, "--endpoint", deployed.url)

    return run


def put(backend: Backend, package: Path, pipeline: str, version: str) -> str:
    """Put a version on a server as an upload does; its id."""
    found = [one for one in backend.pipelines.values() if one["name"] == pipeline]
    if not found:
        found = [
            {
                "pipeline_id": f"id-of-{pipeline}",
                "name": pipeline,
                "display_name": pipeline,
                "namespace": "team" if backend.multi_user else "",
                "created_at": backend.now(),
            }
        ]
        backend.pipelines[found[0]["pipeline_id"]] = found[0]
    identity = f"id-of-{pipeline}-{version}"
    backend.versions[identity] = {
        "pipeline_id": found[0]["pipeline_id"],
        "pipeline_version_id": identity,
        "name": version,
        "display_name": version,
        "created_at": backend.now(),
        "pipeline_spec": _spec(package),
    }
    return identity


@cache
def _spec(package: Path) -> dict[str, Any]:
    return struct(read_documents(package.read_text()))


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with a `.dvc` file, pushed to an address that only git can resolve."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{tmp_path}/bare.git.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://git.example/photos.git")
    bare, work = tmp_path / "bare.git", tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(work))
    (work / "data.dvc").write_text(
        "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  path: data\n"
    )
    git(work, "add", "data.dvc")
    git(work, "commit", "--quiet", "-m", "photos")
    git(work, "remote", "add", "origin", "https://git.example/photos.git")
    git(work, "push", "--quiet", "origin", "main")
    return work


def git(folder: Path, *words: str) -> str:
    identity = [
        "-c",
        "user.name=ada",
        "-c",
        "user.email=ada@example.org",
        "-c",
        "tag.gpgsign=false",
    ]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
