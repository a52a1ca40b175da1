"""MLflow's bucket in KFP's object store, made by the installation in a real SeaweedFS."""

import io
import subprocess
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from infra_manifests import INFRA
from object_store import KEYS, WEED, ObjectStore, object_store


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as found:
        yield found


def _client(store: ObjectStore, user: str, key: str) -> Any:
    import boto3

    return boto3.client(
        "s3", endpoint_url=store.endpoint, region_name="us-east-1",
        aws_access_key_id=user, aws_secret_access_key=key,
    )  # fmt: skip


def test_it_is_the_version_that_is_installed() -> None:
    said = subprocess.run([WEED, "version"], capture_output=True, text=True, check=True).stdout
    (image,) = [one for one in (INFRA / "images.txt").read_text().split() if "/seaweedfs:" in one]

    assert f" {image.rpartition(':')[2]} " in said


def test_mlflow_gets_a_bucket_and_may_use_no_other(store: ObjectStore) -> None:
    from botocore.exceptions import ClientError

    for _ in range(2):
        done = store.installed("no_object_store")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    listed = store.installed("weed s3.configure").stdout
    assert listed.count(KEYS["AWS_ACCESS_KEY_ID"]) == 1

    kfp = _client(store, *store.admin)
    kfp.put_object(Bucket="mlpipeline", Key="theirs", Body=b"1")
    own = _client(store, *KEYS.values())
    own.put_object(Bucket="mlflow", Key="artifacts/report.html", Body=b"<p>")
    own.upload_fileobj(io.BytesIO(bytes(20_000_000)), "mlflow", "artifacts/model.safetensors")
    assert own.get_object(Bucket="mlflow", Key="artifacts/report.html")["Body"].read() == b"<p>"
    names = [one["Key"] for one in own.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert names == ["artifacts/model.safetensors", "artifacts/report.html"]
    own.delete_object(Bucket="mlflow", Key="artifacts/report.html")

    stranger = _client(store, KEYS["AWS_ACCESS_KEY_ID"], "guessed")
    for refused in (
        lambda: own.get_object(Bucket="mlpipeline", Key="theirs"),
        lambda: own.put_object(Bucket="mlpipeline", Key="theirs", Body=b"2"),
        lambda: own.list_objects_v2(Bucket="mlpipeline"),
        lambda: own.delete_bucket(Bucket="mlflow"),
        lambda: own.create_bucket(Bucket="more"),
        lambda: stranger.list_objects_v2(Bucket="mlflow"),
    ):
        with pytest.raises(ClientError, match="AccessDenied|SignatureDoesNotMatch"):
            refused()


def test_the_readmes_commands_make_the_same_by_hand() -> None:
    blocks = (INFRA / "README.md").read_text().split("\n\n")
    (block,) = [one for one in blocks if "weed shell <<'END'" in one]
    key, secret = KEYS.values()
    command = textwrap.dedent(block).replace(" ID ", f" {key} ").replace(" KEY ", f" {secret} ")
    check = "object_store() { :; }\nno_object_store"

    with object_store() as fresh:
        assert fresh.installed(check).stdout == "the bucket mlflow\nthe user mlflow\n"
        done = fresh.installed(command)
        assert done.returncode == 0, done.stderr
        assert fresh.installed(check).stdout == ""
        made = fresh.installed("weed s3.configure").stdout
        assert fresh.installed("no_object_store").stdout == ""
        # The installation finds nothing to change.
        assert fresh.installed("weed s3.configure").stdout == made
        own = _client(fresh, key, secret)
        own.put_object(Bucket="mlflow", Key="artifacts/report.html", Body=b"<p>")


def test_what_is_missing_is_named_while_it_is_missing(store: ObjectStore) -> None:
    done = store.installed("object_store() { :; }\nweed() { :; }\nno_object_store")

    assert done.stdout == "the bucket mlflow\nthe user mlflow\n"
