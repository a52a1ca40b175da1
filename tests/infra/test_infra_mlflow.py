"""MLflow's server as its manifest starts it, on a real PostgreSQL and a real SeaweedFS."""

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from infra_manifests import INFRA, Object, containers, named, overlay
from object_store import KEYS, free_ports, object_store

_PASSWORD = "chosen at install"
_FOUND = shutil.which("initdb") or next(
    (str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), ""
)
_BINARIES = Path(_FOUND).resolve().parent
pytestmark = pytest.mark.skipif(not _FOUND, reason="there is no PostgreSQL on this machine")


@contextmanager
def _postgres(database: str, user: str) -> Iterator[tuple[int, str]]:
    """A PostgreSQL that asks for the password as ours does; yields its port and socket's folder."""
    # It refuses to run as root.
    account = "postgres" if os.geteuid() == 0 else None
    port = free_ports(1)[0]
    (server_of,) = [one for name, one, _ in containers(overlay("kind")) if "postgres" in name]
    (initialised,) = [
        one["value"].split() for one in server_of["env"] if one["name"] == "POSTGRES_INITDB_ARGS"
    ]
    with tempfile.TemporaryDirectory(prefix="defectory-postgres-") as folder:
        if account:
            shutil.chown(folder, account)
        secret = Path(folder, "password")
        secret.write_text(_PASSWORD)
        secret.chmod(0o644)
        data = f"{folder}/data"
        subprocess.run(
            [str(_BINARIES / "initdb"), "-D", data, "-U", user, f"--pwfile={secret}",
             *initialised, "--no-sync"],
            user=account, cwd="/", check=True, capture_output=True,
        )  # fmt: skip
        server = subprocess.Popen(
            [_BINARIES / "postgres", "-D", data, "-p", str(port), "-k", folder,
             "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"],
            user=account, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            environment = {**os.environ, "PGPASSWORD": _PASSWORD}
            create = [str(_BINARIES / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", user,
                      database]  # fmt: skip
            for _ in range(100):
                if subprocess.run(create, env=environment, capture_output=True).returncode == 0:
                    break
                time.sleep(0.2)
            else:
                raise AssertionError("PostgreSQL did not start")
            yield port, folder
        finally:
            server.terminate()
            server.wait(30)


def _environment(objects: tuple[Object, ...], container: Object) -> dict[str, str]:
    """The variables that the kubelet would give the container."""
    secrets = {"mlflow-database": {"password": _PASSWORD}, "mlflow-object-store": KEYS}
    values: dict[str, str] = {}
    for source in container.get("envFrom", []):
        values |= named(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    for one in container["env"]:
        if "value" in one:
            values[one["name"]] = one["value"]
        else:
            key = one["valueFrom"]["secretKeyRef"]
            values[one["name"]] = secrets[key["name"]][key["key"]]
    return values


def _status(port: int, path: str, host: str, origin: str = "") -> int:
    """What a request gets; with an origin, one that a page of that origin makes for data."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        if origin:
            headers = {"Host": host, "Origin": origin, "Content-Type": "application/json"}
            connection.request("POST", path, '{"max_results": 5}', headers)
        else:
            connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


def _healthy(port: int, path: str, server: subprocess.Popen[bytes]) -> bool:
    # The kubelet names the pod's address.
    until = time.monotonic() + 240
    while time.monotonic() < until:
        assert server.poll() is None
        try:
            return _status(port, path, "10.244.0.7:5000") == 200
        except OSError:
            time.sleep(0.2)
    return False


@pytest.mark.timeout(900)
def test_the_server_keeps_runs_in_the_database_and_artifacts_in_the_object_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = overlay("kind")
    by_name = {name: one for name, one, _ in containers(objects)}
    upgrade, serve = by_name["Deployment mlflow: upgrade"], by_name["Deployment mlflow: mlflow"]
    settings = _environment(objects, serve)
    bucket = settings["MLFLOW_ARTIFACTS_DESTINATION"].removeprefix("s3://").partition("/")[0]
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
    }  # fmt: skip
    # Where it starts cannot be written in its container.
    image = tmp_path / "image"
    image.mkdir()
    # What the README asks for behind a proxy.
    outside = "mlflow.example.com"
    hosts = f"{settings['MLFLOW_SERVER_ALLOWED_HOSTS']},{outside}"
    proxied = {
        "MLFLOW_SERVER_ALLOWED_HOSTS": hosts,
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"https://{outside}",
    }

    with (
        _postgres(settings["PGDATABASE"], settings["PGUSER"]) as (database, _),
        object_store() as store,
    ):
        assert store.installed("no_object_store").stdout == ""
        endpoint = store.endpoint
        place = {"PGHOST": "127.0.0.1", "PGPORT": str(database), "MLFLOW_S3_ENDPOINT_URL": endpoint}
        subprocess.run(
            upgrade["command"], env={**_environment(objects, upgrade), **place, **own},
            cwd=image, check=True, capture_output=True, timeout=240,
        )  # fmt: skip
        port = free_ports(1)[0]
        changed = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}",
                   "--workers=2": "--workers=1"}  # fmt: skip
        assert set(changed) <= set(serve["command"])
        server = subprocess.Popen(
            [changed.get(one, one) for one in serve["command"]],
            env={**settings, **place, **own, **proxied}, cwd=image,
        )  # fmt: skip
        try:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert _healthy(port, serve[probe]["httpGet"]["path"], server)
            _log_a_run(port, tmp_path)
            _end_a_run(port, monkeypatch)
            assert capsys.readouterr().out == ""

            api = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=defectory"
            tracking = named(objects, "ConfigMap", "defectory")["data"]["MLFLOW_TRACKING_URI"]
            assert _status(port, api, tracking.removeprefix("http://")) == 200
            assert _status(port, api, "localhost:8081") == 200
            assert _status(port, api, "evil.example:5000") == 403
            data = "/ajax-api/2.0/mlflow/experiments/search"
            assert _status(port, data, "localhost:8081", "http://localhost:8081") == 200
            assert _status(port, data, outside, f"https://{outside}") == 200
            assert _status(port, data, "localhost:8081", "https://evil.example") == 403
        finally:
            server.terminate()
            server.wait(60)
        assert list(image.iterdir()) == []
        _look_into(database, settings, endpoint, bucket)


def test_a_database_that_has_another_password_gets_that_of_the_secret(tmp_path: Path) -> None:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    # What is to run in a pod runs here.
    (binaries / "kubectl").write_text(
        "#!/usr/bin/env bash\n"
        'while [ "$1" != exec ] && [ "$1" != rollout ]; do shift; done\n'
        f'echo "$*" >> {tmp_path}/calls\n'
        '[ "$1" = exec ] || exit 0\n'
        'while [ "$1" != -- ]; do shift; done\n'
        'shift; exec "$@"\n'
    )
    (binaries / "kubectl").chmod(0o755)
    password = "it's a new \\one"
    code = f"""
. {INFRA}/lib/install.sh
context=none
secret_value() {{ printf %s "$SECRET"; }}
database_password
"""

    with _postgres("mlflow", "mlflow") as (port, folder):
        variables = {
            "PATH": f"{binaries}:{_BINARIES}:{os.environ['PATH']}", "SECRET": password,
            "PGHOST": folder, "PGPORT": str(port),
            "POSTGRES_USER": "mlflow", "POSTGRES_DB": "mlflow",
        }  # fmt: skip
        calls = []
        for _ in range(2):
            done = subprocess.run(
                ["bash", "-c", code], env={**os.environ, **variables},
                capture_output=True, text=True, check=False, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            calls.append((tmp_path / "calls").read_text())
            (tmp_path / "calls").unlink()
        logins = {
            one: subprocess.run(
                [_BINARIES / "psql", "-w", "-h", "127.0.0.1", "-U", "mlflow", "-c", "select 1"],
                env={**variables, "PGPASSWORD": one}, capture_output=True, check=False,
            ).returncode
            for one in (password, _PASSWORD)
        }  # fmt: skip

    assert logins == {password: 0, _PASSWORD: 2}
    assert [text.count("rollout restart deployment/mlflow") for text in calls] == [1, 0]
    assert not [text for text in calls if "new" in text]


def _log_a_run(port: int, folder: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"http://127.0.0.1:{port}")
    run = client.create_run(client.create_experiment("defectory")).info.run_id
    client.log_metric(run, "mask_map", 0.25)
    report = folder / "report.html"
    report.write_text("what it was worth")
    client.log_artifact(run, str(report))

    back = client.download_artifacts(run, "report.html", str(folder))
    assert Path(back).read_text() == "what it was worth"


def _end_a_run(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.tracking import Tracker

    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "")
    monkeypatch.delenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT")
    tracker = Tracker(f"http://127.0.0.1:{port}")
    tracker.client.set_terminated(tracker.client.create_run(tracker.experiment).info.run_id)


def _look_into(port: int, settings: dict[str, str], endpoint: str, bucket: str) -> None:
    import boto3
    import psycopg2

    connection = psycopg2.connect(
        host="127.0.0.1", port=port, user=settings["PGUSER"], dbname=settings["PGDATABASE"],
        password=_PASSWORD,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute("select key, value from metrics")
        assert cursor.fetchall() == [("mask_map", 0.25)]
    connection.close()

    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    (stored,) = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert stored["Key"].endswith("report.html")
    assert stored["Key"].startswith("artifacts/")
