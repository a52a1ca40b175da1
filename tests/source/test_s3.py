"""Photos that DVC keeps in S3, in a real object store, as plants have them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from object_store import object_store
from test_source import git, prepare, version

PHOTOS = {f"photos/{number}.png": bytes([number]) * 1000 for number in range(40)}


@pytest.fixture(scope="module")
def environment() -> Iterator[Mapping[str, str]]:
    """Variables that give access to an object store with the bucket `mlpipeline`."""
    with object_store() as store:
        user, key = store.admin
        yield {
            **os.environ,
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": store.endpoint,
        }


@pytest.fixture(scope="module")
def repository(
    environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A git repository whose photos are in the bucket, and nowhere else."""
    made = tmp_path_factory.mktemp("plant") / "made"
    prepare(made)
    config = made / ".dvc" / "config"
    config.write_text(config.read_text().replace("url = remote", "url = s3://mlpipeline/photos"))
    git(made, "init", "-q", "-b", "main")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        version(made, PHOTOS)
    git(made, "add", "-A")
    git(made, "commit", "-q", "-m", "photos")
    git(made.parent, "clone", "-q", str(made), "clone")
    yield made.parent / "clone"


def _fetch(repository: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Fetch in a process of its own, which says which photos it has got."""
    code = (
        "from components.data_versioning.source import fetched\n"
        f"with fetched({str(repository / 'data.dvc')!r}, '') as folder:\n"
        "    for path in folder.rglob('*.png'):\n"
        "        print(path.name, path.read_bytes().hex())"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_photos_come_from_the_bucket(repository: Path, environment: Mapping[str, str]) -> None:
    ended = _fetch(repository, environment)

    assert ended.returncode == 0, ended.stderr
    got = {line for line in ended.stdout.splitlines() if ".png" in line}
    assert got == {f"{Path(name).name} {value.hex()}" for name, value in PHOTOS.items()}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "Forbidden"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "Forbidden"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "Could not connect to the endpoint"),
    ],
)
def test_a_store_that_gives_nothing_is_told(
    change: Mapping[str, str], reason: str, repository: Path, environment: Mapping[str, str]
) -> None:
    ended = _fetch(repository, {**environment, **change})

    assert ended.returncode != 0
    told = ended.stderr.strip().splitlines()[-1]
    assert reason in told
    assert "check the remote 'embedded'" in told and "credentials" in told
    assert environment["AWS_SECRET_ACCESS_KEY"] not in ended.stdout + ended.stderr
