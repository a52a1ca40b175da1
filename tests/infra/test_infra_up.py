"""`up` from its first to its last line, with stand-ins for the cluster and the engine.

kubectl renders for real; what it would ask a cluster is answered from a folder of files.
"""

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from infra_manifests import INFRA, Object, images, kubectl

_LOG = 'printf "%s\\n" "$(basename "$0") $*" >> "$STATE/calls"\n'

_KUBECTL = """
case "$*" in version* | kustomize*) exec REAL "$@" ;; esac
shift 3  # --context, its name, --request-timeout
namespace=none
if [ "$1" = -n ]; then namespace=$2; shift 2; fi
case "$*" in
  apply*)
    applied=$STATE/applied-$(date +%s%N)
    cat > "$applied"
    # An empty volume takes the password of the Secret, a later one none.
    if grep -q "^kind: StatefulSet" "$applied" && [ ! -f "$STATE/database" ]; then
      sed -n 's/^  password: //p' "$STATE/secret-mlflow-database" | tr -d '"' > "$STATE/database"
    fi
    echo "thing/one serverside-applied" ;;
  "create namespace"*) mkdir "$STATE/namespace-$3" ;;
  "create -f -")
    cat > "$STATE/part"
    name=$(sed -n 's/.*name: \\([a-z-]*\\), names.*/\\1/p' "$STATE/part")
    mv "$STATE/part" "$STATE/secret-$name"
    date +%s%N > "$STATE/uid-$name" ;;
  "get namespace defectory"*) [ ! -d "$STATE/namespace-defectory" ] || echo namespace/defectory ;;
  "get secret"*ignore-not-found*) [ ! -f "$STATE/secret-$3" ] || echo "secret/$3" ;;
  "get secret"*"jsonpath={.metadata.uid}") cat "$STATE/uid-$3" ;;
  "get secret"*jsonpath*)
    key=${5#jsonpath={.data.}
    sed -n "s/^  ${key%\\}}: //p" "$STATE/secret-$3" | tr -d '"\\n' | base64 ;;
  "get nodes"*) echo "node Ready control-plane 1d v1.36.1" ;;
  "get crds"*) echo "workflows.argoproj.io True" ;;
  "get deployments"* | "get statefulsets"*)
    if [ -f "$STATE/slow-$namespace" ]; then
      rm "$STATE/slow-$namespace"
      echo "late 1 <none> 1 1 1"
    else
      echo "one 1 1 1 1 1"
    fi ;;
  "get persistentvolumeclaims"*) echo "defectory data-postgres-0 Bound" ;;
  "exec -i deployment/seaweedfs"*)
    read -r command
    case $command in
      s3.bucket.list) cat "$STATE/buckets" 2>/dev/null ;;
      s3.bucket.create*) echo mlflow >> "$STATE/buckets" ;;
      s3.configure) cat "$STATE/users" 2>/dev/null ;;
      s3.configure*) echo "$command" >> "$STATE/users" ;;
    esac ;;
  "exec -i statefulset/postgres"*PGPASSWORD*"-h 127.0.0.1"*)
    read -r password
    [ "$password" = "$(cat "$STATE/database")" ] || exit 2 ;;
  "exec -i statefulset/postgres"*psql*)
    if [ -f "$STATE/broken" ]; then echo "psql: error: no socket" >&2; exit 2; fi
    sed -n "s/^alter role current_user password '\\(.*\\)';$/\\1/p" > "$STATE/database" ;;
  "rollout restart deployment/mlflow") ;;
  *) echo "not answered: $*" >&2; exit 9 ;;
esac
exit 0
"""

_KIND = """
case "$*" in
  version) echo "kind v0.32.0 go1.26" ;;
  "get clusters") cat "$STATE/clusters" 2>/dev/null ;;
  "create cluster"*) echo defectory > "$STATE/clusters"; cp "${@: -1}" "$STATE/cluster.yaml" ;;
  "export kubeconfig"*) ;;
  *) exit 9 ;;
esac
exit 0
"""

_MINIKUBE = """
case "$*" in
  version) echo "minikube version: v1.38.1" ;;
  "profile list -o json") cat "$STATE/profiles" 2>/dev/null ;;
  "start "*)
    echo '{"invalid": [], "valid": [{"Name": "defectory"}]}' > "$STATE/profiles"
    echo "$*" > "$STATE/started"
    [ -z "${UNABLE:-}" ] || { echo "not enough CPUs" >&2; exit 80; } ;;
  *) exit 9 ;;
esac
exit 0
"""

_DOCKER = """
case "$*" in
  "info --format {{.NCPU}} {{.MemTotal}}") echo "8 16000000000" ;;
  "info"*) echo /nowhere ;;
  "start "*) ;;
  "exec"*inspecti*) grep -qxF "${@: -1}" "$STATE/loaded" 2>/dev/null ;;
  "exec"*"config dump") printf "[plugins]\\n  snapshotter = ''\\n    snapshotter = 'native'\\n" ;;
  "save "*) shift; printf '%s\\n' "$@" ;;
  "exec"*" -i "*" images import "*" -")
    # What names platforms that it has not cannot be taken whole.
    case "$*" in *--all-platforms*) echo "content digest: not found" >&2; exit 1 ;; esac
    saved=$(cat)
    if grep -qF "${REFUSED:-nothing}" <<<"$saved"; then exit 1; fi
    [ -n "${LOST:-}" ] || echo "$saved" >> "$STATE/loaded" ;;
  "pull --quiet "*)
    if grep -qF "${UNPULLABLE:-nothing}" <<<"$3"; then
      echo "certificate signed by unknown" >&2; exit 1
    fi
    echo "$3" >> "$STATE/pulled" ;;
  "image inspect docker.io/library/mysql"*) exit 0 ;;
  "image inspect "*) grep -qxF "$3" "$STATE/pulled" 2>/dev/null ;;
  "inspect --format "*)
    [ "$4" = "${NODE:?}" ] || { echo "no such object" >&2; exit 1; }
    port=$(grep -oE '[0-9]+/tcp' <<<"$3" | grep -oE '^[0-9]+')
    cat "$STATE/cluster.yaml" "$STATE/started" 2>/dev/null |
      grep -oE "containerPort: $port, hostPort: [0-9]+|127.0.0.1:[0-9]+:$port" |
      sed "s/.*hostPort: //; s/^127.0.0.1://; s/:$port//" ;;
esac
"""

_DEFECTORY = """
case "$*" in
  "images list")
    printf 'defectory/%s:0.1.0-abc123\\n' data diffusion detection
    echo docker.io/library/python:3 ;;
  deploy*) echo "https://version" ;;
esac
"""

_KFP = """
apiVersion: v1
kind: Secret
metadata: {name: mlpipeline-minio-artifact, namespace: kubeflow}
stringData: {accesskey: minio, secretkey: minio123}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: pipeline-runner, namespace: kubeflow}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: pipeline-install-config, namespace: kubeflow}
data: {cronScheduleTimezone: UTC, mysqlHost: mysql}
"""

# What KFP 2.17 says of its object store's key, as kustomize writes it.
_READS = {
    "seaweedfs": "envFrom: [{secretRef: {name: mlpipeline-minio-artifact}}]",
    "ml-pipeline": (
        "env: [{name: KEY, valueFrom: {secretKeyRef: {name: mlpipeline-minio-artifact, key: k}}}]"
    ),
    "ml-pipeline-scheduledworkflow": (
        "env: [{name: CRON_SCHEDULE_TIMEZONE, valueFrom: {configMapKeyRef: {name: "
        "pipeline-install-config, key: cronScheduleTimezone}}}]"
    ),
    "mysql": "env: [{name: A, valueFrom: {secretKeyRef: {name: mysql-secret, key: k}}}]",
}


def _deployment(name: str, reads: str) -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: kubeflow, labels: {{name: {name}}}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - name: main
        image: docker.io/library/alpine:3.23
        {reads}
"""


def _rendered(manifests: list[str]) -> str:
    """Manifests as kustomize writes them."""
    return yaml.safe_dump_all(one for text in manifests for one in yaml.safe_load_all(text))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the stand-ins in `bin`, what they know in `state`, and a rendered KFP."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (tmp_path / "state").mkdir()
    for name, code in {
        "kubectl": _KUBECTL.replace("REAL", kubectl()), "kind": _KIND, "minikube": _MINIKUBE,
        "docker": _DOCKER, "defectory": _DEFECTORY, "curl": "exit 0", "sleep": "exit 0",
    }.items():  # fmt: skip
        (binaries / name).write_text(f"#!/usr/bin/env bash\n{_LOG}{code}\n")
        (binaries / name).chmod(0o755)
    rendered = tmp_path / "kfp"
    rendered.mkdir()
    (rendered / "kfp.yaml").write_text(
        _rendered([_KFP, *(_deployment(*one) for one in _READS.items())])
    )
    (rendered / "cluster-scoped.yaml").write_text("apiVersion: v1\nkind: Namespace\n")
    return tmp_path


_NODES = {"kind": "defectory-control-plane", "minikube": "defectory"}


def _up(place: Path, cluster: str = "kind", **more: str) -> subprocess.CompletedProcess[str]:
    (place / "state" / "calls").unlink(missing_ok=True)
    for path in (place / "state").glob("applied-*"):
        path.unlink()
    return subprocess.run(
        [str(INFRA / cluster / "up")],
        env={
            "PATH": f"{place}/bin:{os.environ['PATH']}", "HOME": str(place),
            "STATE": str(place / "state"), "DEFECTORY": str(place / "bin" / "defectory"),
            "KFP_RENDERED": str(place / "kfp"), "UI_PORT": "18080", "MLFLOW_PORT": "18081",
            "NODE": _NODES[cluster], **more,
        },
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip


def _calls(place: Path) -> str:
    return (place / "state" / "calls").read_text()


def _applied(place: Path) -> list[Object]:
    texts = [path.read_text() for path in sorted((place / "state").glob("applied-*"))]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def _pods(applied: list[Object]) -> dict[str, Object]:
    """What is applied of the pods of every deployment."""
    found = {
        one["metadata"]["name"]: one["spec"]["template"]
        for one in applied
        if one["kind"] == "Deployment"
    }
    assert set(found) == {*_READS, "mlflow"}
    return found


@pytest.mark.parametrize("cluster", ["kind", "minikube"])
def test_up_brings_everything_and_a_second_call_makes_nothing_anew(
    cluster: str, place: Path
) -> None:
    (place / "state" / "slow-kubeflow").touch()

    first = _up(place, cluster)

    assert first.returncode == 0, first.stderr
    assert "http://localhost:18080" in first.stdout
    assert "not answered" not in first.stderr
    calls = _calls(place)
    loaded = (place / "state" / "loaded").read_text().split()
    sets = ("data", "diffusion", "detection")
    assert loaded[:3] == [f"defectory/{one}:0.1.0-abc123" for one in sets]
    assert [one for one in loaded[3:] if "mysql" not in one] == []
    assert "defectory deploy --profile kind" in calls
    assert "waits for KFP's deployments" in first.stderr
    node = _NODES[cluster]
    assert re.search(rf"exec .*-i {node} ctr .* import .*--snapshotter=native -$", calls, re.M)
    if cluster == "kind":
        assert "kind create cluster" in calls
        ports = yaml.safe_load((place / "state" / "cluster.yaml").read_text())["nodes"][0]
        assert {one["hostPort"] for one in ports["extraPortMappings"]} == {18080, 18081}
        assert {one["listenAddress"] for one in ports["extraPortMappings"]} == {"127.0.0.1"}
    else:
        (start,) = [line for line in calls.splitlines() if line.startswith("minikube start ")]
        assert "--ports=127.0.0.1:18080:30080 --ports=127.0.0.1:18081:30500" in start
    before = {
        path.name: path.read_text() for path in (place / "state").glob("*") if path.is_file()
        and not path.name.startswith(("applied", "calls"))
    }  # fmt: skip

    applied = _applied(place)

    second = _up(place, cluster)

    assert second.returncode == 0, second.stderr
    again = _calls(place)
    assert "kind create cluster" not in again
    assert "docker save" not in again
    assert " create " not in again
    assert "rollout restart" not in again
    after = {
        path.name: path.read_text() for path in (place / "state").glob("*") if path.is_file()
        and not path.name.startswith(("applied", "calls"))
    }  # fmt: skip
    assert after == before
    assert _pods(applied) == _pods(_applied(place))


def test_a_minikube_that_does_not_start_is_told_with_a_way_out(place: Path) -> None:
    done = _up(place, "minikube", UNABLE="yes")

    assert done.returncode == 1
    assert "not enough CPUs" in done.stderr
    assert "infra/minikube/down removes what it has left" in done.stderr
    assert "waits for" not in done.stderr


@pytest.mark.parametrize("cluster", ["kind", "minikube"])
def test_up_ends_where_the_node_does_not_get_our_images(cluster: str, place: Path) -> None:
    refused = _up(place, cluster, REFUSED="defectory/data")
    lost = _up(place, cluster, LOST="yes")

    assert refused.returncode == lost.returncode == 1
    assert "the images do not reach the node" in refused.stderr
    assert "gave up on the images on the node" in lost.stderr
    assert "still missing: defectory/data:0.1.0-abc123" in lost.stderr
    assert "waits for KFP" not in refused.stderr + lost.stderr


def test_an_image_of_others_that_cannot_be_loaded_is_left_to_the_node(place: Path) -> None:
    done = _up(place, REFUSED="mysql")

    assert done.returncode == 0, done.stderr
    assert "that failed; the node fetches it itself" in done.stderr
    assert "mysql" not in (place / "state" / "loaded").read_text()


def _from(mirror: str) -> list[str]:
    """Images of others that a node runs, as the mirror has them."""
    nodes = ("/kindest/node:", "/kicbase:")
    return [
        f"{mirror}/{one.partition('/')[2]}"
        for one in images()
        if not any(part in one for part in nodes)
    ]


def test_docker_fetches_from_the_mirror_what_the_node_has_not(place: Path) -> None:
    first = _up(place, DEFECTORY_MIRROR="mirror.example/all")

    assert first.returncode == 0, first.stderr
    wanted = _from("mirror.example/all")
    assert len(wanted) >= 18
    assert (place / "state" / "pulled").read_text().split() == wanted
    assert (place / "state" / "loaded").read_text().split()[3:] == wanted

    second = _up(place, DEFECTORY_MIRROR="mirror.example/all")

    assert second.returncode == 0, second.stderr
    assert not re.search("docker (pull|save)", _calls(place))


def test_what_docker_cannot_fetch_is_left_to_the_node(place: Path) -> None:
    done = _up(place, DEFECTORY_MIRROR="mirror.example", UNPULLABLE="alpine")

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("that failed; the node fetches it itself") == 1
    assert "certificate signed by unknown" in done.stderr
    wanted = [one for one in _from("mirror.example") if "alpine" not in one]
    assert (place / "state" / "loaded").read_text().split()[3:] == wanted


def test_without_a_mirror_docker_fetches_nothing(place: Path) -> None:
    assert _up(place).returncode == 0
    assert "docker image inspect" in _calls(place)
    assert "docker pull" not in _calls(place)


def test_up_repairs_what_is_gone(place: Path) -> None:
    assert _up(place).returncode == 0
    state = place / "state"
    (state / "buckets").unlink()
    (state / "users").unlink()
    (state / "secret-mlflow-database").unlink()
    before = (state / "database").read_text().strip()
    kept = (state / "secret-mlflow-object-store").read_text()

    done = _up(place)

    assert done.returncode == 0, done.stderr
    # The volume kept the old password: the database got the new one, and MLflow starts with it.
    (password,) = re.findall(r'password: "(\w+)"', (state / "secret-mlflow-database").read_text())
    assert (state / "database").read_text().strip() == password != before
    assert "rollout restart deployment/mlflow" in _calls(place)
    assert password not in _calls(place)
    assert (state / "secret-mlflow-object-store").read_text() == kept
    assert "mlflow" in (state / "buckets").read_text()
    assert "-buckets mlflow -actions Read,Write,List,Tagging" in (state / "users").read_text()


@pytest.mark.parametrize(
    ("secret", "readers"),
    [
        ("mlpipeline-minio-artifact", {"seaweedfs", "ml-pipeline"}),
        ("mlflow-object-store", {"mlflow"}),
    ],
)
def test_a_secret_that_was_made_anew_reaches_who_reads_it_and_nobody_else(
    secret: str, readers: set[str], place: Path
) -> None:
    assert _up(place).returncode == 0
    before = _pods(_applied(place))
    (place / "state" / f"secret-{secret}").unlink()

    done = _up(place)

    assert done.returncode == 0, done.stderr
    assert f"/{secret}\n" in done.stderr
    after = _pods(_applied(place))
    assert {name for name in after if after[name] != before[name]} == readers
    uid = (place / "state" / f"uid-{secret}").read_text().strip()
    for name in readers:
        assert after[name]["metadata"]["annotations"][f"defectory.dev/{secret}"] == uid


def test_a_kfp_in_which_nobody_reads_the_key_is_refused(place: Path) -> None:
    text = (place / "kfp" / "kfp.yaml").read_text()
    (place / "kfp" / "kfp.yaml").write_text(text.replace("mlpipeline-minio-artifact", "another"))

    done = _up(place)

    assert done.returncode == 1
    assert "no deployment of" in done.stderr
    assert "reads the Secret mlpipeline-minio-artifact" in done.stderr
    assert "waits for KFP's deployments" not in done.stderr


def _clock(place: Path) -> tuple[object, object]:
    """The time zone of what is applied, where KFP reads it, and on the pod that reads it."""
    applied = _applied(place)
    config = next(
        one
        for one in applied
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "pipeline-install-config"
    )
    assert config["data"]["mysqlHost"] == "mysql"
    pod = _pods(applied)["ml-pipeline-scheduledworkflow"]
    return (
        config["data"]["cronScheduleTimezone"],
        pod["metadata"]["annotations"]["defectory.dev/time-zone"],
    )


def test_schedules_go_by_the_clock_that_is_asked_for(place: Path) -> None:
    usual = _up(place)
    assert usual.returncode == 0, usual.stderr
    assert _clock(place) == ("UTC", "UTC")
    assert "TIME_ZONE" not in usual.stdout

    other = _up(place, KFP_TIME_ZONE="Europe/Berlin")

    assert other.returncode == 0, other.stderr
    assert _clock(place) == ("Europe/Berlin", "Europe/Berlin")
    assert (
        "\n    export DEFECTORY_SERVER_TIME_ZONE=Europe/Berlin\n    defectory submit"
        in other.stdout
    )


@pytest.mark.parametrize("zone", ["Europe", "+01:00", 'UTC"', "Europe/Atlantis"])
def test_a_clock_that_is_none_is_told_beforehand(zone: str, place: Path) -> None:
    if zone.startswith("Europe") and not Path("/usr/share/zoneinfo").is_dir():
        pytest.skip("this machine does not know the time zones")

    done = _up(place, KFP_TIME_ZONE=zone)

    assert done.returncode == 2
    assert f"there is no time zone {zone}; take a name such as Europe/Berlin" in done.stderr


@pytest.mark.parametrize("cluster", ["kind", "minikube"])
@pytest.mark.parametrize(("name", "was"), [("UI_PORT", "18080"), ("MLFLOW_PORT", "18081")])
def test_another_port_of_a_cluster_that_is_there_is_told_beforehand(
    name: str, was: str, cluster: str, place: Path
) -> None:
    assert _up(place, cluster).returncode == 0

    done = _up(place, cluster, **{name: "9090"})

    assert done.returncode == 2
    told = (
        f"{name} is 9090, and the cluster defectory was made with {was}, which stays: "
        f"set {name}={was}, or have infra/{cluster}/down remove it first"
    )
    assert re.findall("^  - (.*)$", done.stderr, re.MULTILINE) == [told]


def test_a_database_that_takes_no_password_is_told_with_a_way_out(place: Path) -> None:
    assert _up(place).returncode == 0
    (place / "state" / "secret-mlflow-database").unlink()
    (place / "state" / "broken").touch()

    done = _up(place)

    assert done.returncode == 1
    assert "put the old one into that" in done.stderr
    assert "psql: error: no socket" in done.stderr

    (place / "state" / "broken").unlink()
    assert _up(place).returncode == 0
    assert "rollout restart deployment/mlflow" in _calls(place)


def test_a_command_in_a_pod_has_an_end() -> None:
    commands = [
        line
        for path in sorted((INFRA / "lib").glob("*.sh"))
        for line in path.read_text().splitlines()
        if " exec -i " in line and "kubectl" in line
    ]

    assert commands
    assert [line for line in commands if "timeout 60" not in line] == []


def test_secrets_are_random_and_in_no_argument(place: Path) -> None:
    assert _up(place).returncode == 0
    secrets = sorted((place / "state").glob("secret-*"))
    values = [
        value
        for path in secrets
        for value in yaml.safe_load(path.read_text())["stringData"].values()
    ]

    assert [path.name for path in secrets] == [
        "secret-mlflow-database", "secret-mlflow-object-store", "secret-mlpipeline-minio-artifact",
    ]  # fmt: skip
    assert len(values) == len(set(values)) == 5
    assert min(len(value) for value in values) >= 20
    calls = _calls(place)
    assert not [value for value in values if value in calls]
    assert not [value for value in values if base64.b64encode(value.encode()).decode() in calls]


def test_what_is_applied_has_no_secret_of_kfp_and_our_images(place: Path) -> None:
    assert _up(place, DEFECTORY_MIRROR="mirror.example").returncode == 0
    applied = _applied(place)

    kinds = [one["kind"] for one in applied]
    assert "Secret" not in kinds
    assert {"Namespace", "ServiceAccount", "Deployment", "StatefulSet"} <= set(kinds)
    text = yaml.safe_dump_all(applied)
    used = set(re.findall(r"image: (\S+)", text))
    (postgres,) = [one for one in images() if "/postgres:" in one]
    mirrored = postgres.replace("docker.io", "mirror.example")
    kfp = "mirror.example/library/alpine:3.23"
    assert used == {"defectory/data:0.1.0-abc123", mirrored, kfp}
    assert "DEFECTORY_UI_URL: http://localhost:18080" in text


def test_a_secret_that_the_server_does_not_tell_of_starts_nothing_anew(place: Path) -> None:
    assert _up(place).returncode == 0
    before = len(_applied(place))
    command = place / "bin" / "kubectl"
    code = command.read_text()
    silent = 'case "$*" in *metadata.uid*) exit 1 ;; esac\n'
    command.write_text(code.replace('case "$*" in version*', f'{silent}case "$*" in version*', 1))

    done = _up(place)

    assert done.returncode == 1
    assert "does not say which Secret kubeflow/mlpipeline-minio-artifact is" in done.stderr
    assert not [one for one in _applied(place)[before:] if one["kind"] == "Deployment"]
