"""The scripts of `infra/`: what they say, and that they end."""

import json
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
          "rm", "sed", "sleep", "sort", "tail", "timeout", "tr")  # fmt: skip


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
        ["bash", "-c", f". {INFRA}/lib/install.sh\n{code}"],
        env={**os.environ, **variables},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def _stand_in(folder: Path, name: str, code: str) -> None:
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\n{code}\n")
    path.chmod(0o755)


def test_shellcheck_has_nothing_to_say() -> None:
    assert {path.name for path in SCRIPTS} >= {"up", "down", "render", "settings.sh", "install.sh"}
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
    (least,) = re.findall(r'"\$memory" -ge (\d+)', (INFRA / "lib" / "needs.sh").read_text())
    (asked,) = re.findall(r"--memory=(\d+)m ", (INFRA / "minikube" / "up").read_text())

    assert 0.95 * int(least) < int(asked) * 1024**2 <= int(least)


def test_down_of_what_is_not_there_is_no_failure(bare: Path) -> None:
    _stand_in(bare, "kind", '[ "$1 $2" = "get clusters" ] || exit 7')
    _stand_in(bare, "docker", '[ "$1" = info ] || exit 7')

    done = _run(INFRA / "kind" / "down", path=str(bare))

    assert done.returncode == 0, done.stderr
    assert "there is no cluster defectory" in done.stderr


@pytest.mark.parametrize("cluster", ["kind", "minikube"])
def test_down_without_an_engine_does_not_say_that_there_is_no_cluster(
    cluster: str, bare: Path
) -> None:
    _stand_in(bare, cluster, "exit 1")
    _stand_in(bare, "docker", "exit 1")

    done = _run(INFRA / cluster / "down", path=str(bare))

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


def test_a_long_program_has_an_end_and_says_which() -> None:
    began = time.monotonic()
    done = _bash('within "builds an ark" 1 sleep 60 || echo "ended with $?"')

    assert time.monotonic() - began < 30
    assert done.stdout == "ended with 124\n"
    assert "builds an ark, 1 s at most" in done.stderr
    assert "gave up after 1 s" in done.stderr


def test_a_program_that_ends_in_time_is_left_as_it_is() -> None:
    done = _bash(
        'within "it" 3600 echo said; within "it" 60 sh -c "exit 7" || echo "ended with $?"'
    )

    assert done.stdout == "said\nended with 7\n"
    assert "it, 60 min at most" in done.stderr
    assert "gave up" not in done.stderr


def test_programs_that_take_long_have_an_end() -> None:
    long = re.compile(
        r"\b(kind (create|delete)|minikube (start|delete)|docker pull)\b|\" (images build|deploy) "
    )
    found = {
        match[0]: line
        for path in SCRIPTS
        for line in path.read_text().replace("\\\n", " ").splitlines()
        if (match := long.search(line)) and not line.lstrip().startswith("#")
    }

    assert len(found) == 7
    assert {name for name, line in found.items() if "within " not in line} == set()


def test_a_load_that_does_not_end_is_ended(tmp_path: Path) -> None:
    _stand_in(tmp_path, "docker", '[[ "$*" == *"config dump" ]] || exec sleep 60')
    began = time.monotonic()

    done = _bash(
        'node=none load_seconds=1\nload image || echo "ended with $?"',
        PATH=f"{tmp_path}:{os.environ['PATH']}",
    )

    assert time.monotonic() - began < 30
    assert "gave up after 1 s" in done.stderr
    # As a signal ends it.
    assert done.stdout == "ended with 143\n"


@pytest.mark.parametrize(
    ("check", "missing"),
    [
        ("unavailable kubeflow deployments", "all deployments of the namespace kubeflow"),
        ("unavailable defectory statefulsets", "all statefulsets of the namespace defectory"),
        ("unestablished", "all custom resources"),
        ("lost_claims", "all claims"),
        ("unready_nodes", "all nodes"),
    ],
)
def test_where_there_is_nothing_it_is_missing(check: str, missing: str, tmp_path: Path) -> None:
    _stand_in(tmp_path, "kubectl", 'echo "No resources found" >&2')

    done = _bash(f"context=none\n{check}", PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert (done.returncode, done.stdout) == (0, f"{missing}\n"), done.stderr


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
        ["bash", "-c", f". {INFRA}/lib/install.sh\nrewrite_images"],
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
        ["bash", "-c", f". {INFRA}/lib/install.sh\nrewrite_images"],
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
    script.write_text(f"#!/usr/bin/env bash\n. {infra}/lib/settings.sh\nenv\n")
    script.chmod(0o755)

    done = _run(script, SSL_CERT_FILE="/etc/ours.pem")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "SSL_CERT_FILE=/etc/ours.pem" in lines
    assert not [one for one in lines if one.startswith(("REQUESTS_CA_BUNDLE", "HTTPS_PROXY"))]
    assert {"KFP_GIT=https://git.example/kfp", "OTHER=two words"} <= set(lines)


_DIGEST = "sha256:" + 64 * "a"


def _built(folder: Path, reference: str, digest: str | None) -> dict[str, str]:
    """What says that the image `data` was built under that name, and has that digest."""
    path = folder / "digests.json"
    path.write_text(json.dumps({"data": {"reference": reference, "digest": digest}}))
    return {"DEFECTORY_IMAGES": str(path)}


@pytest.fixture
def pushed(tmp_path: Path) -> dict[str, str]:
    """The variable that says that our images are in a registry."""
    return _built(tmp_path, "own.example/defectory/data:1", _DIGEST)


def _settings(rendered: str) -> dict[str, str]:
    """The ConfigMap that steps read."""
    (found,) = [
        one["data"]
        for one in yaml.safe_load_all(rendered)
        if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", "defectory")
    ]
    return dict(found)


def test_render_takes_the_places_from_one_place(pushed: dict[str, str], tmp_path: Path) -> None:
    # In a copy, other tests render at the same time.
    infra = _copied(
        tmp_path,
        "CLEANFID_WEIGHTS=/first\nDEFECTORY_UI_URL=https://kfp.example?a=b\n"
        "SSL_CERT_FILE=/store/ca.pem\nCLEANFID_WEIGHTS=/last\n",
    )

    done = _run(
        infra / "render", "gpu", **pushed, DEFECTORY_MIRROR="mirror.example",
        RENDER_SETTINGS="HF_ENDPOINT=https://hub.example\nHOME=/secret\n"
        "DEFECTORY_UI_URL=http://localhost:8080",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    objects = tuple(yaml.safe_load_all(done.stdout))
    used = {one["image"] for _, one, _ in containers(objects)}
    postgres = images_named("postgres")
    assert used == {f"own.example/defectory/data@{_DIGEST}", f"mirror.example/library/{postgres}"}
    assert _settings(done.stdout) == {
        "MLFLOW_TRACKING_URI": "http://mlflow.defectory.svc:5000",
        "MLFLOW_EXPERIMENT_NAME": "defectory",
        "HF_ENDPOINT": "https://hub.example",
        # Said twice: what the site says counts, and the last of that.
        "DEFECTORY_UI_URL": "https://kfp.example?a=b",
        "CLEANFID_WEIGHTS": "/last",
        "SSL_CERT_FILE": "/store/ca.pem",
    }
    assert not list(infra.glob(".render.*"))


def test_the_places_are_what_a_shell_makes_of_site_env(
    pushed: dict[str, str], tmp_path: Path
) -> None:
    infra = _copied(
        tmp_path,
        "plant=hub.plant.example  # ours\n"
        'HF_ENDPOINT="https://$plant/x#y="   # the models\n'
        "  export MLFLOW_EXPERIMENT_NAME='two words'\n"
        ': "${SSL_CERT_FILE:=/store/ca.pem}"\n'
        "AWS_ENDPOINT_URL=\n"
        "if false; then HF_HUB_OFFLINE=1; fi\n"
        "# AWS_DEFAULT_REGION=eu-1\n"
        'NO_PROXY="$NO_PROXY,.plant.example"\n',
    )

    done = _run(
        infra / "render", "gpu", **pushed,
        NO_PROXY=".here.example", CLEANFID_WEIGHTS="/of/this/machine",
        RENDER_SETTINGS="AWS_ENDPOINT_URL=https://s3.example\nHF_ENDPOINT=https://other.example",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert _settings(done.stdout) == {
        "MLFLOW_TRACKING_URI": "http://mlflow.defectory.svc:5000",
        "MLFLOW_EXPERIMENT_NAME": "two words",
        "HF_ENDPOINT": "https://hub.plant.example/x#y=",
        "SSL_CERT_FILE": "/store/ca.pem",
        # Nothing said is nothing taken away.
        "AWS_ENDPOINT_URL": "https://s3.example",
        "NO_PROXY": ".here.example,.plant.example",
    }


def test_a_place_of_two_lines_is_refused(pushed: dict[str, str], tmp_path: Path) -> None:
    infra = _copied(tmp_path, "HF_ENDPOINT='https://hub.example\nSSL_CERT_FILE=/etc/ca.pem'\n")

    done = _run(infra / "render", "gpu", **pushed)

    assert (done.returncode, done.stdout) == (1, "")
    assert "site.env: HF_ENDPOINT has a line break, a value must be one line" in done.stderr


def _in_namespaces(rendered: str) -> dict[tuple[str, str], str | None]:
    """The namespace of every object."""
    return {
        (one["kind"], re.sub("-[0-9a-z]{10}$", "", one["metadata"]["name"])): one["metadata"].get(
            "namespace"
        )
        for one in yaml.safe_load_all(rendered)
    }


def _admitted(rendered: str, policy: str) -> dict[str, str]:
    """The namespace that a policy names with each of its pods."""
    (spec,) = [
        one["spec"]
        for one in yaml.safe_load_all(rendered)
        if (one["kind"], one["metadata"]["name"]) == ("NetworkPolicy", policy)
    ]
    return {
        json.dumps(peer["podSelector"]["matchLabels"]): peer["namespaceSelector"]["matchLabels"][
            "kubernetes.io/metadata.name"
        ]
        for rule in (*spec.get("ingress", []), *spec.get("egress", []))
        for peer in (*rule.get("from", []), *rule.get("to", []))
        if "namespaceSelector" in peer
    }


_MOVED = {
    ("ServiceAccount", "defectory-runner"), ("Role", "defectory-runner"),
    ("RoleBinding", "defectory-runner"), ("ConfigMap", "defectory"),
    ("PersistentVolumeClaim", "defectory-store"), ("NetworkPolicy", "defectory-steps"),
    ("ResourceQuota", "defectory-accelerators"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "kfp", "runs"),
    [
        ({"RUNS_NAMESPACE": "team-a"}, "kubeflow", "team-a"),
        ({"KFP_NAMESPACE": "platform"}, "platform", "platform"),
        ({"KFP_NAMESPACE": "platform", "RUNS_NAMESPACE": "team-a"}, "platform", "team-a"),
    ],
)
def test_runs_and_kfp_are_where_a_site_has_them(
    variables: dict[str, str], kfp: str, runs: str, pushed: dict[str, str], tmp_path: Path
) -> None:
    infra = _copied(tmp_path, "")
    own = tmp_path / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        "resources: [../infra/overlays/gpu-gke]\n"
        "components: [../infra/components/kfp-object-store, ../infra/components/local-access]\n"
    )

    before = _run(infra / "render", str(own), **pushed)
    done = _run(infra / "render", str(own), **pushed, **variables)

    assert before.returncode == done.returncode == 0, done.stderr
    was, now = _in_namespaces(before.stdout), _in_namespaces(done.stdout)
    assert set(was) == set(now)
    of_kfp = {("Service", "defectory-ui"), ("NetworkPolicy", "defectory-mlflow-object-store")}
    of_runs = _MOVED | {("Job", "defectory-store")}
    assert {one for one, place in was.items() if place == "kubeflow"} == of_kfp | of_runs
    assert {now[one] for one in of_kfp} == {kfp}
    assert {now[one] for one in of_runs} == {runs}
    assert {one: now[one] for one in set(was) - of_kfp - of_runs} == {
        one: was[one] for one in set(was) - of_kfp - of_runs
    }
    assert _admitted(done.stdout, "mlflow") == {
        '{"pipelines.kubeflow.org/v2_component": "true"}': runs,
        '{"app.kubernetes.io/part-of": "defectory"}': runs,
        '{"app": "ml-pipeline"}': kfp,
    }
    assert _admitted(done.stdout, "mlflow-kfp-object-store") == {'{"app": "seaweedfs"}': kfp}
    assert _admitted(done.stdout, "defectory-mlflow-object-store") == {
        '{"app.kubernetes.io/name": "mlflow"}': "defectory"
    }
    assert f"MLFLOW_S3_ENDPOINT_URL: http://seaweedfs.{kfp}.svc:8333\n" in done.stdout
    (binding,) = [one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "RoleBinding"]
    assert [one["namespace"] for one in binding["subjects"]] == [runs]
    # Only labels name Kubeflow.
    rest = re.sub(r"pipelines\.kubeflow\.org/", "", done.stdout)
    assert ("kubeflow" in rest) == (kfp == "kubeflow")
    # MLflow starts anew with another address of its store.
    (one,), (other,) = (set(re.findall("name: (mlflow-[0-9a-z]{10})\n", text))
                        for text in (before.stdout, done.stdout))  # fmt: skip
    assert (one == other) == (kfp == "kubeflow")


@pytest.mark.parametrize("name", ["existing", "gpu-existing"])
def test_runs_are_where_a_site_has_them_without_an_mlflow_of_ours_too(
    name: str, pushed: dict[str, str], tmp_path: Path
) -> None:
    done = _run(_copied(tmp_path, "RUNS_NAMESPACE=team-a\n") / "render", name, **pushed)

    assert done.returncode == 0, done.stderr
    places = _in_namespaces(done.stdout)
    moved = _MOVED - (
        {("ResourceQuota", "defectory-accelerators")} if name == "existing" else set()
    )
    assert {one for one, place in places.items() if place == "team-a"} == moved
    assert "kubeflow" not in done.stdout


def test_what_up_installs_is_where_it_installs_kfp(tmp_path: Path) -> None:
    infra = _copied(tmp_path, "")

    usual = _run(infra / "render", "kind")
    done = _run(infra / "render", "kind", KFP_NAMESPACE="platform", RUNS_NAMESPACE="team-a")

    assert usual.returncode == 0, usual.stderr
    assert done.stdout == usual.stdout
    assert "namespace: kubeflow\n" in done.stdout


def test_a_namespace_that_can_be_none_is_told(pushed: dict[str, str]) -> None:
    done = _run(INFRA / "render", "gpu", **pushed, RUNS_NAMESPACE="Team A")

    assert (done.returncode, done.stdout) == (2, "")
    assert "RUNS_NAMESPACE: `Team A` is no name of a namespace" in done.stderr


def test_an_image_that_no_node_finds_is_refused(tmp_path: Path) -> None:
    infra = _copied(tmp_path, "")
    own = tmp_path / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text("resources: [../infra/overlays/gpu]\n")
    local = _built(tmp_path, "defectory/data:0.1.0-abc", None)
    told = (
        "defectory/data:0.1.0-abc names no registry, so a node cannot fetch it: "
        "set DEFECTORY_REGISTRY in infra/site.env and run infra/push"
    )

    for name in ("gpu", "gpu-gke", "gpu-eks", "existing", "gpu-existing"):
        refused = _run(infra / "render", name, **local)
        assert (refused.returncode, refused.stdout) == (1, ""), name
        assert told in refused.stderr
    warned = _run(infra / "render", str(own), **local)
    assert warned.returncode == 0, warned.stderr
    assert "image: defectory/data:0.1.0-abc\n" in warned.stdout
    assert told in warned.stderr
    for name in ("kind", "minikube"):
        here = _run(infra / "render", name, **local)
        assert here.returncode == 0, here.stderr
        assert "registry" not in here.stderr


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("own.example/defectory/data:1", True),
        ("own:5000/defectory/data:1", True),
        ("localhost/defectory/data:1", True),
        ("defectory/data:1", False),
        ("plant/defectory/data:1.2", False),
        ("data:1.2", False),
    ],
)
def test_a_registry_is_told_from_a_folder(reference: str, found: bool) -> None:
    done = _bash(f"in_registry {reference} && echo yes")

    assert (done.stdout == "yes\n") == found, done.stderr


@pytest.mark.parametrize("name", ["existing", "gpu-existing"])
def test_without_the_address_of_an_mlflow_it_is_said_that_none_hears_of_a_run(
    name: str, pushed: dict[str, str], tmp_path: Path
) -> None:
    infra = _copied(tmp_path, "")

    silent = _run(infra / "render", name, **pushed)
    (infra / "site.env").write_text("MLFLOW_TRACKING_URI=https://mlflow.example\n")
    given = _run(infra / "render", name, **pushed)

    assert silent.returncode == given.returncode == 0, silent.stderr + given.stderr
    assert "no MLflow hears of a run, unless KFP's plugin for it is on" in silent.stderr
    assert "MLFLOW_TRACKING_URI" not in silent.stdout + given.stderr
    assert _settings(given.stdout)["MLFLOW_TRACKING_URI"] == "https://mlflow.example"


@pytest.mark.parametrize(
    ("site", "own"),
    [
        ("HTTPS_PROXY=http://proxy:3128\n", []),
        ("HTTPS_PROXY=http://proxy:3128\nNO_PROXY=.plant.example\n", [".plant.example"]),
    ],
)
def test_a_proxy_is_not_asked_for_what_is_in_the_cluster(
    site: str, own: list[str], pushed: dict[str, str], tmp_path: Path
) -> None:
    done = _run(_copied(tmp_path, site) / "render", "existing", **pushed)

    assert done.returncode == 0, done.stderr
    settings = _settings(done.stdout)
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


def test_without_a_proxy_nothing_is_said_of_one(pushed: dict[str, str], tmp_path: Path) -> None:
    done = _run(_copied(tmp_path, "") / "render", "existing", **pushed)

    assert done.returncode == 0, done.stderr
    assert "_PROXY" not in done.stdout


def test_render_of_an_overlay_that_is_not_there_names_those_that_are() -> None:
    done = _run(INFRA / "render", "openshift")

    assert done.returncode == 1
    assert "existing gpu gpu-eks gpu-existing gpu-gke kind minikube" in done.stderr


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
    (policy,) = [one for one in objects if one["kind"] == "NetworkPolicy"]
    assert (policy["metadata"]["namespace"], policy["spec"]) == ("kubeflow", {
        "podSelector": {"matchLabels": {"app": "mysql"}},
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                # In KFP 2.17 these, and no others, are given the database's address and password.
                "from": [
                    {"podSelector": {"matchLabels": {"app": "ml-pipeline"}}},
                    {"podSelector": {"matchLabels": {"app": "cache-server"}}},
                    {"podSelector": {"matchLabels": {"component": "metadata-grpc-server"}}},
                ],
                "ports": [{"port": 3306}],
            }
        ],
    })  # fmt: skip
    (told,) = re.findall("infra/images.txt does not list these.*: (.*)", right.stderr)
    assert told.split() == ["example.org/kfp/new:1.0", "seaweedfs", "workflow-controller"]

    named = re.compile(r"^.*(image: |--driver|CACHE_IMAGE|cacheImage).*\n", re.MULTILINE)
    for path in files:
        path.write_text(named.sub("", path.read_text()))
    places |= {"KFP_COMMIT": _commit(pipelines), "ARGO_COMMIT": _commit(argo)}
    bare = _run(INFRA / "kfp" / "render", str(tmp_path / "bare"), **places, ARGO_VERSION="v9.9.9")
    assert bare.returncode == 1
    assert "kfp.yaml names no image" in bare.stderr
    assert "name: kfp" in (tmp_path / "right" / "cluster-scoped.yaml").read_text()


def test_a_kfp_that_is_listed_whole_is_rendered_without_a_remark() -> None:
    lines = [f"image: {one.removeprefix('docker.io/library/')}" for one in images()]
    other = ["apiVersion: rbac.authorization.k8s.io/v1", "value: seaweedfs.kubeflow.svc:9000"]
    done = subprocess.run(
        ["bash", "-c", f". {INFRA}/lib/install.sh\nnamed_images | unlisted"],
        input="\n".join([*lines, *other]), capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert len(lines) >= 20
    assert done.stdout == ""


def test_what_is_rendered_is_rendered_anew_where_what_makes_it_has_changed(tmp_path: Path) -> None:
    infra = _copied(tmp_path, "")

    def key() -> str:
        return subprocess.run(
            ["bash", "-c", f". {infra}/lib/install.sh\nchanges_key"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    keys = [key()]
    assert key() == keys[0]
    files = sorted(path for path in (infra / "kfp").rglob("*") if path.is_file())
    assert {path.name for path in files} >= {"render", "retry", "kustomization.yaml", "mysql.yaml"}
    for path in files:
        path.write_text(path.read_text() + "# more\n")
        keys.append(key())
    files[-1].rename(files[-1].with_name("other"))
    keys.append(key())
    assert re.fullmatch(r"\d+\n", keys[0])
    assert len(set(keys)) == len(keys) == len(files) + 2


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
        args: [--driver=ghcr.io/kubeflow/kfp-driver:2.17.0]
        env:
        - {name: CACHE_IMAGE, value: example.org/kfp/new:1.0}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: pipeline-install-config}
data: {cacheImage: ghcr.io/containerd/busybox}
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


def test_how_much_of_the_images_has_been_sent_is_told() -> None:
    done = _bash(
        """
        nobody=$(sent $$)
        { head -c 100000000 /dev/zero >/dev/null; echo 1 >"$scratch/now"; sleep 5; } &
        until [ -f "$scratch/now" ]; do sleep 0.05; done
        # What a child of its own has written counts once that has ended.
        echo "$nobody; $(sent $!)"; kill $!
        """
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "nothing sent yet, Docker puts them together; 0.1 GB sent\n"
