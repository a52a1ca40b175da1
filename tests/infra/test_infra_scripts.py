"""The scripts of `infra/`: what they say, and that they end."""

import os
import re
import shutil
import subprocess
import sys
import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml
from infra_manifests import INFRA, PROJECT, containers, images, infra_files, kubectl, versions

SCRIPTS = sorted(
    path
    for path in infra_files()
    if path.read_bytes().startswith((b"#!/usr/bin/env bash", b"# shellcheck"))
)
_TOOLS = ("bash", "cat", "cut", "date", "dirname", "grep", "head", "mktemp", "printf", "realpath",
          "rm", "sed", "sleep", "sort", "tail", "tr")  # fmt: skip


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with the commands of every machine and none of those that have to be installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in _TOOLS:
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return folder


def _run(
    script: Path, *arguments: str, path: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    known = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    own = f"{Path(sys.executable).parent}:{Path(kubectl()).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [str(script), *arguments],
        env={**known, "PATH": path or own, **variables},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def _bash(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f". {INFRA}/lib/common.sh\n{code}"],
        env={**os.environ, **variables},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def _stand_in(folder: Path, name: str, code: str) -> None:
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\n{code}\n")
    path.chmod(0o755)


def test_shellcheck_has_nothing_to_say() -> None:
    assert {path.name for path in SCRIPTS} >= {"up", "down", "render", "common.sh", "install.sh"}
    assert len(SCRIPTS) >= 8
    done = subprocess.run(
        [str(Path(sys.executable).parent / "shellcheck"), "-x", "-P", "SCRIPTDIR",
         *(str(path) for path in SCRIPTS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_scripts_that_are_run_can_be() -> None:
    for path in SCRIPTS:
        assert os.access(path, os.X_OK) == (path.parent.name != "lib"), path


@pytest.mark.parametrize("kind", ["kind", "minikube"])
def test_all_that_is_missing_is_told_at_once(kind: str, bare: Path) -> None:
    done = _run(INFRA / kind / "up", path=str(bare), KFP_RENDERED="/nowhere")

    assert done.returncode == 2
    for missing in ("docker", "kubectl", "curl", "git", kind):
        assert f"no `{missing}`" in done.stderr
    assert "KFP_RENDERED: there is no /nowhere/kfp.yaml" in done.stderr
    assert len(re.findall(r"^  - ", done.stderr, re.MULTILINE)) >= 6


def test_an_old_version_and_a_small_machine_are_problems(bare: Path) -> None:
    _stand_in(bare, "kubectl", "echo Client Version: v1.20.4")
    _stand_in(bare, "kind", "echo kind v0.9.0 go1.15")
    _stand_in(bare, "docker", "echo 2 4000000000")

    done = _run(INFRA / "kind" / "up", path=str(bare))

    assert done.returncode == 2
    assert "`kubectl` is 1.20.4" in done.stderr
    assert f"`kind` is 0.9.0, {versions()['KIND_VERSION']} or later" in done.stderr
    assert "Docker has 2 cores" in done.stderr
    assert "Docker has 4 GB" in done.stderr


def test_minikube_asks_for_no_more_memory_than_is_checked() -> None:
    (least,) = re.findall(r'"\$memory" -ge (\d+)', (INFRA / "lib" / "install.sh").read_text())
    (asked,) = re.findall(r"--memory=(\d+)m ", (INFRA / "minikube" / "up").read_text())

    assert 0.95 * int(least) < int(asked) * 1024**2 <= int(least)


def test_down_of_what_is_not_there_is_no_failure(bare: Path) -> None:
    _stand_in(bare, "kind", '[ "$1 $2" = "get clusters" ] || exit 7')
    _stand_in(bare, "docker", '[ "$1" = info ] || exit 7')

    done = _run(INFRA / "kind" / "down", path=str(bare))

    assert done.returncode == 0, done.stderr
    assert "there is no cluster defectory" in done.stderr


def test_down_without_an_engine_does_not_say_that_there_is_no_cluster(bare: Path) -> None:
    _stand_in(bare, "kind", "exit 1")
    _stand_in(bare, "docker", "exit 1")

    done = _run(INFRA / "kind" / "down", path=str(bare))

    assert done.returncode == 2
    assert "no Docker Engine answers: start it" in done.stderr
    assert "there is no cluster" not in done.stderr


def test_the_first_of_many_clusters_is_found(bare: Path) -> None:
    # More names than a pipe holds: whoever stops reading at the first breaks the writer.
    many = "echo defectory; i=0; while [ $((i += 1)) -lt 20000 ]; do echo another-$i; done"
    _stand_in(bare, "kind", f'[ "$1 $2" = "get clusters" ] || exit 0; {many}')
    _stand_in(bare, "docker", "exit 0")

    done = _run(INFRA / "kind" / "down", path=str(bare))

    assert done.returncode == 0, done.stderr
    assert "the cluster defectory is gone" in done.stderr


def test_no_script_stops_reading_what_another_program_still_writes() -> None:
    for path in SCRIPTS:
        assert not re.search(r"\| grep -\w*q", path.read_text()), path


def test_a_wait_says_what_for_and_has_an_end() -> None:
    began = time.monotonic()
    done = _bash('check() { echo "pod seven"; }; wait_for "the moon" 2 check')

    assert done.returncode == 1
    assert time.monotonic() - began < 30
    assert "waits for the moon" in done.stderr
    assert "still missing: pod seven" in done.stderr


def test_a_wait_ends_with_what_it_waits_for(tmp_path: Path) -> None:
    done = _bash(
        f'check() {{ [ -f {tmp_path}/seen ] || {{ touch {tmp_path}/seen; echo "not yet"; }}; }}\n'
        'wait_for "a file" 30 check && echo after'
    )

    assert done.stdout == "after\n", done.stderr


def test_a_warning_is_not_taken_for_something_missing() -> None:
    done = _bash('check() { echo "deprecated" >&2; }; wait_for "a server" 1 check && echo after')

    assert done.stdout == "after\n", done.stderr


def test_a_check_that_fails_is_not_taken_for_done() -> None:
    silent = _bash('wait_for "a server" 1 false')
    loud = _bash('check() { echo "connection refused" >&2; return 1; }; wait_for "it" 1 check')

    assert silent.returncode == loud.returncode == 1
    assert "still missing: an answer" in silent.stderr
    assert "still missing: connection refused" in loud.stderr


def test_every_image_of_the_list_comes_from_the_mirror_wherever_it_is_named() -> None:
    spelled = [
        one.removeprefix("docker.io/library/") if number % 2 else one
        for number, one in enumerate(images())
    ]
    manifest = "\n".join(
        text
        for one in spelled
        for text in (f"image: {one}", f'value: "{one}"', f"- {one}", f"args: [--image={one} ]")
    )

    done = subprocess.run(
        ["bash", "-c", f". {INFRA}/lib/common.sh\nrewrite_images"],
        input=manifest, env={**os.environ, "DEFECTORY_MIRROR": "mirror.example:5000/plant/"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()

    assert len(lines) == 4 * len(images()) >= 80
    assert [line for line in lines if line.count("mirror.example:5000/plant/") != 1] == []
    assert "image: mirror.example:5000/plant/kubeflow/kfp-api-server:2.17.0" in lines
    assert f"- mirror.example:5000/plant/library/{images_named('mysql')}" in lines


def images_named(name: str) -> str:
    """Name and tag of the one image of the list that is called so."""
    (found,) = [last for one in images() if (last := one.rpartition("/")[2]).startswith(f"{name}:")]
    return found


def test_a_longer_name_is_left_alone() -> None:
    text = f"image: example.org/{images_named('mysql')}\nimage: {images_named('mysql')}-debug\n"
    done = subprocess.run(
        ["bash", "-c", f". {INFRA}/lib/common.sh\nrewrite_images"],
        input=text, env={**os.environ, "DEFECTORY_MIRROR": "mirror.example"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout == text


def _copied(folder: Path, site: str) -> Path:
    """A copy of infra/, with a site.env of its own."""
    copy = folder / "infra"
    shutil.copytree(INFRA, copy, ignore=shutil.ignore_patterns(".*", "site.env"))
    (copy / "site.env").write_text(site)
    return copy


def test_settings_of_the_pods_are_not_those_of_this_machine(tmp_path: Path) -> None:
    infra = _copied(
        tmp_path,
        "export SSL_CERT_FILE=/store/ca.pem\nREQUESTS_CA_BUNDLE=/store/ca.pem\n"
        "HTTPS_PROXY=http://inside:3128\nKFP_GIT=https://git.example/kfp\nOTHER='two words'\n",
    )
    script = tmp_path / "says"
    script.write_text(f"#!/usr/bin/env bash\n. {infra}/lib/common.sh\nenv\n")
    script.chmod(0o755)

    done = _run(script, SSL_CERT_FILE="/etc/ours.pem")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "SSL_CERT_FILE=/etc/ours.pem" in lines
    assert not [one for one in lines if one.startswith(("REQUESTS_CA_BUNDLE", "HTTPS_PROXY"))]
    assert {"KFP_GIT=https://git.example/kfp", "OTHER=two words"} <= set(lines)


def test_render_takes_the_places_from_one_place(tmp_path: Path) -> None:
    # In a copy, other tests render at the same time.
    infra = _copied(
        tmp_path,
        "CLEANFID_WEIGHTS=/first\nDEFECTORY_UI_URL=https://kfp.example?a=b\n"
        "SSL_CERT_FILE=/store/ca.pem\nCLEANFID_WEIGHTS=/last\n",
    )
    built = tmp_path / "digests.json"
    digest = "sha256:" + 64 * "a"
    built.write_text(
        f'{{"data": {{"reference": "own.example/defectory/data:1", "digest": "{digest}"}}}}'
    )

    done = _run(
        infra / "render", "gpu",
        DEFECTORY_IMAGES=str(built), DEFECTORY_MIRROR="mirror.example",
        RENDER_SETTINGS="HF_ENDPOINT=https://hub.example\nHOME=/secret\n"
        "DEFECTORY_UI_URL=http://localhost:8080",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    objects = tuple(yaml.safe_load_all(done.stdout))
    used = {one["image"] for _, one, _ in containers(objects)}
    postgres = images_named("postgres")
    assert used == {f"own.example/defectory/data@{digest}", f"mirror.example/library/{postgres}"}
    settings = [one for one in objects if one["metadata"]["name"] == "defectory" and "data" in one]
    assert settings[0]["data"] == {
        "MLFLOW_TRACKING_URI": "http://mlflow.defectory.svc:5000",
        "MLFLOW_EXPERIMENT_NAME": "defectory",
        "HF_ENDPOINT": "https://hub.example",
        # Said twice: what the site says counts, and the last of that.
        "DEFECTORY_UI_URL": "https://kfp.example?a=b",
        "CLEANFID_WEIGHTS": "/last",
        "SSL_CERT_FILE": "/store/ca.pem",
    }
    assert not list(infra.glob(".render.*"))


@pytest.mark.parametrize(
    ("site", "own"),
    [
        ("HTTPS_PROXY=http://proxy:3128\n", []),
        ("HTTPS_PROXY=http://proxy:3128\nNO_PROXY=.plant.example\n", [".plant.example"]),
    ],
)
def test_a_proxy_is_not_asked_for_what_is_in_the_cluster(
    site: str, own: list[str], tmp_path: Path
) -> None:
    done = _run(_copied(tmp_path, site) / "render", "existing")

    assert done.returncode == 0, done.stderr
    (settings,) = [
        one["data"] for one in yaml.safe_load_all(done.stdout) if one["kind"] == "ConfigMap"
    ]
    assert settings["HTTPS_PROXY"] == "http://proxy:3128"
    direct = settings["NO_PROXY"].split(",")
    assert direct[: len(own)] == own
    # As KFP 2.17 writes them: backend/src/v2/metadata/env.go, backend/src/v2/config/env.go.
    for address in ("metadata-grpc-service.kubeflow.svc.cluster.local",
                    "ml-pipeline.kubeflow.svc.cluster.local", "mlflow.defectory.svc"):  # fmt: skip
        assert [one for one in direct if one.startswith(".") and address.endswith(one)], address
    # Kubernetes' own, as kind, EKS and GKE number it.
    ranges = [ip_network(one) for one in direct if "/" in one]
    for address in ("10.96.0.1", "172.20.0.1", "34.118.224.1"):
        assert [one for one in ranges if ip_address(address) in one], address


def test_without_a_proxy_nothing_is_said_of_one(tmp_path: Path) -> None:
    done = _run(_copied(tmp_path, "") / "render", "existing")

    assert done.returncode == 0, done.stderr
    assert "_PROXY" not in done.stdout


def test_render_of_an_overlay_that_is_not_there_names_those_that_are() -> None:
    done = _run(INFRA / "render", "openshift")

    assert done.returncode == 1
    assert "existing gpu gpu-eks gpu-gke kind minikube" in done.stderr


def test_kfp_is_taken_at_a_commit_and_with_its_own_argo(tmp_path: Path) -> None:
    repositories = tmp_path / "repositories"
    argo = repositories / "argo"
    pipelines = repositories / "pipelines"
    files = {
        argo / "manifests/base/controller/kustomization.yaml": (
            "resources: [account.yaml, config.yaml, controller.yaml]\n"
        ),
        argo / "manifests/base/controller/account.yaml": _account("argo"),
        argo / "manifests/base/controller/config.yaml": _CONFIG,
        argo / "manifests/base/controller/controller.yaml": _CONTROLLER,
        pipelines / "manifests/kustomize/third-party/argo/base/kustomization.yaml": (
            "resources:\n- https://github.com/argoproj/argo-workflows/manifests/base/controller"
            "?ref=v9.9.9&timeout=60s\n"
        ),
        pipelines / "manifests/kustomize/env/platform-agnostic/kustomization.yaml": (
            "namespace: kubeflow\n"
            "resources: [../../third-party/argo/base, ../../third-party/seaweedfs/base, "
            "cache.yaml]\n"
        ),
        pipelines / "manifests/kustomize/env/platform-agnostic/cache.yaml": _CACHE,
        pipelines / "manifests/kustomize/third-party/seaweedfs/base/kustomization.yaml": (
            "resources: [seaweedfs.yaml]\n"
        ),
        pipelines / "manifests/kustomize/third-party/seaweedfs/base/seaweedfs.yaml": _STORE,
        pipelines / "manifests/kustomize/cluster-scoped-resources/kustomization.yaml": (
            "resources: [account.yaml]\n"
        ),
        pipelines / "manifests/kustomize/cluster-scoped-resources/account.yaml": _account("kfp"),
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    commits = {one: _commit(one) for one in (argo, pipelines)}
    places = {
        "KFP_GIT": pipelines.as_uri(), "KFP_COMMIT": commits[pipelines],
        "ARGO_GIT": argo.as_uri(), "ARGO_COMMIT": commits[argo],
    }  # fmt: skip

    wrong = _run(INFRA / "kfp" / "render", str(tmp_path / "wrong"), **places)
    right = _run(INFRA / "kfp" / "render", str(tmp_path / "right"), **places, ARGO_VERSION="v9.9.9")

    assert wrong.returncode != 0
    assert "v9.9.9" in wrong.stderr
    assert right.returncode == 0, right.stderr
    rendered = (tmp_path / "right" / "kfp.yaml").read_text()
    assert "name: argo" in rendered
    assert "retryPolicy: Always" in rendered
    assert "OnError" not in rendered
    objects = tuple(yaml.safe_load_all(rendered))
    by_name = {one["name"]: one for _, one, _ in containers(objects)}
    variables = {one["name"]: one for one in by_name["workflow-controller"]["env"]}
    assert (1 << 20) < int(variables["MAX_WORKFLOW_SIZE"]["value"]) < 1.5 * (1 << 20)
    assert "LEADER_ELECTION_IDENTITY" in variables
    # Each of three collections grows by 7 volumes.
    *before, volumes = by_name["seaweedfs"]["args"]
    assert before == ["server", "-dir=/data", "-s3"]
    assert int(volumes.removeprefix("-volume.max=")) > 3 * 7
    assert by_name["server"]["imagePullPolicy"] == "IfNotPresent"
    assert "name: kfp" in (tmp_path / "right" / "cluster-scoped.yaml").read_text()


_CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: workflow-controller-configmap}
data:
  workflowDefaults: |
    spec:
      templateDefaults:
        retryStrategy:
          retryPolicy: OnError
"""

_CONTROLLER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: workflow-controller}
spec:
  selector: {matchLabels: {app: workflow-controller}}
  template:
    metadata: {labels: {app: workflow-controller}}
    spec:
      containers:
      - name: workflow-controller
        image: workflow-controller
        env:
        - name: LEADER_ELECTION_IDENTITY
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
"""


_CACHE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: cache-server}
spec:
  selector: {matchLabels: {app: cache-server}}
  template:
    metadata: {labels: {app: cache-server}}
    spec:
      containers:
      - name: server
        image: ghcr.io/kubeflow/kfp-cache-server:2.17.0
        imagePullPolicy: Always
"""

_STORE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: seaweedfs}
spec:
  selector: {matchLabels: {app: seaweedfs}}
  template:
    metadata: {labels: {app: seaweedfs}}
    spec:
      containers:
      - name: seaweedfs
        image: seaweedfs
        args: [server, -dir=/data, -s3]
"""


def _account(name: str) -> str:
    return f"apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n"


def _commit(folder: Path) -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org",
             *arguments],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "all")
    return git("rev-parse", "HEAD")


def test_versions_can_be_set_from_outside() -> None:
    done = _bash('echo "$KFP_VERSION $CLUSTER"', KFP_VERSION="9.9.9")

    assert done.stdout == "9.9.9 defectory\n"
    assert PROJECT.joinpath("infra", "versions.env").is_file()
