"""A private repository: a real git server that asks for a password, and a pod's environment."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from git_server import Fields, Handler, serving

from components.data_versioning.askpass import CREDENTIALS, answer

ROOT = Path(__file__).resolve().parents[2]
ASKPASS = ROOT / "components" / "data_versioning" / "askpass.py"
USER, TOKEN = "robot@plant", "s3cret:t/oken"
SPELLED = "robot%40plant:s3cret%3At%2Foken"

_FETCH = """
import sys
from components.data_versioning.source import fetched
with fetched(sys.argv[1], "") as folder:
    print(sorted((path.name, path.read_text()) for path in folder.iterdir()))
"""


def _git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository whose DVC remote lies in it."""
    from dvc.repo import Repo

    folder = tmp_path_factory.mktemp("private") / "photos.git"
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").write_text(
        "[core]\n    remote = own\n    analytics = false\n['remote \"own\"']\n    url = remote\n"
    )
    (folder / ".dvc" / ".gitignore").write_text("/cache\n/tmp\n")
    (folder / "data").mkdir()
    (folder / "data" / "one.txt").write_text("photo")
    _git(folder, "init", "-q", "-b", "main")
    with Repo(str(folder)) as repo:
        repo.add(str(folder / "data"))
        repo.push()
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "all")
    return folder


@pytest.fixture
def server(repository: Path) -> Iterator[tuple[str, list[str]]]:
    """Address of a server that gives the repository to one user, and what it was told."""
    told: list[str] = []
    wanted = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
    forbidden = "Basic " + base64.b64encode(b"guest:known").decode()

    class Private(Handler):
        """git's own server, behind a password."""

        root = repository.parent

        def refusal(self) -> tuple[int, Fields] | None:
            """Whoever is not that user is asked for a password, or turned away."""
            told.append(self.headers.get("Authorization", ""))
            if told[-1] == forbidden:
                return 403, []
            if told[-1] != wanted:
                return 401, [("WWW-Authenticate", 'Basic realm="git"')]
            return None

    with serving(Private) as port:
        yield f"http://127.0.0.1:{port}", told


def _fetched(place: Path, address: str, known: str) -> subprocess.CompletedProcess[str]:
    """What a pod does: no home, no git settings, no terminal."""
    home = place / "home"
    home.mkdir()
    return subprocess.run(
        [sys.executable, "-c", _FETCH, f"{address}/photos.git:data.dvc"],
        env={
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(home),
            "TMPDIR": str(place), "GIT_CONFIG_NOSYSTEM": "1", "NO_PROXY": "*",
            "GIT_ASKPASS": str(ASKPASS), CREDENTIALS: known,
        },
        capture_output=True, text=True, check=False, timeout=300, start_new_session=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_the_token_of_the_environment_opens_the_repository_and_stays_nowhere(
    server: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, told = server
    own = address.replace("://", f"://{SPELLED}@")

    done = _fetched(tmp_path, address, f"https://a:b@other.example {own}")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[('one.txt', 'photo')]"
    assert any(told)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    secrets = (TOKEN.encode(), SPELLED.encode(), base64.b64encode(f"{USER}:{TOKEN}".encode()))
    for text in (done.stdout.encode(), done.stderr.encode(), *(one.read_bytes() for one in left)):
        assert not any(secret in text for secret in secrets)


@pytest.mark.parametrize("known", ["", "https://robot:token@other.example"])
def test_no_other_hosts_token_is_sent_and_the_error_says_so(
    server: tuple[str, list[str]], tmp_path: Path, known: str
) -> None:
    address, told = server

    done = _fetched(tmp_path, address, known)

    assert done.returncode != 0
    assert f"cannot clone {address}/photos.git" in done.stderr
    assert "your rights" in done.stderr
    assert not any("token" in base64.b64decode(one.removeprefix("Basic ")).decode() for one in told)


@pytest.mark.parametrize("login", ["guest:known", "robot:wrong"])
def test_a_login_without_the_right_to_read_is_told(
    server: tuple[str, list[str]], tmp_path: Path, login: str
) -> None:
    address, _ = server

    done = _fetched(tmp_path, address, address.replace("://", f"://{login}@"))

    assert done.returncode != 0
    assert f"ValueError: cannot clone {address}/photos.git" in done.stderr
    assert "your rights" in done.stderr
    assert login.split(":")[1] not in done.stderr


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Username for 'https://git.example': ", "robot"),
        ("Password for 'https://robot@git.example': ", "to@ken"),
        ("Password for 'https://git.example:443': ", "to@ken"),
        ("Password for 'https://else@git.example': ", None),
        ("Password for 'http://robot@git.example': ", None),
        ("Password for 'https://robot@git.example:8443': ", None),
        ("Password for 'https://robot@git.example.org': ", None),
        ("Password for 'https://git.example@evil.example': ", None),
        ("Are you sure you want to continue connecting (yes/no)? ", None),
    ],
)
def test_only_the_host_of_an_address_is_answered(question: str, expected: str | None) -> None:
    assert answer(question, "https://nobody.example  https://robot:to%40ken@git.example\n") == (
        expected
    )


def test_git_itself_can_run_it() -> None:
    done = subprocess.run(
        [str(ASKPASS), "Password for 'https://robot@git.example': "],
        env={"PATH": os.environ["PATH"], CREDENTIALS: "https://robot:token@git.example"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout == "token\n"
