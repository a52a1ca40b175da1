"""Photos in a plant: git and S3 behind certificates of its own authority, and a proxy."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from git_server import Handler, serving
from object_store import object_store
from test_source import git, prepare, version

PHOTOS = {f"{number}.png": bytes([number]) * 1000 for number in range(40)}
OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="needs openssl")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's certificate; beside it `server.pem` and its key, for the servers here."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*words: str) -> None:
        subprocess.run([str(OPENSSL), *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "rsa:2048", "-nodes", "-keyout")
    openssl("req", "-x509", *new, "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Plant",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    openssl("req", *new, "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,DNS:*.plant.example")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.pem")  # fmt: skip
    return folder / "ca.pem"


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port; every connection to it is served by a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    arrived, _ = listener.accept()
                    threading.Thread(target=serve, args=(arrived,), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        yield int(listener.getsockname()[1])


def join(outside: socket.socket, port: int) -> None:
    """Pass on what comes and goes to a port of this machine, until one end is closed."""
    inside = socket.create_connection(("127.0.0.1", port))

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=pump, args=(outside, inside), daemon=True).start()
    pump(inside, outside)


@contextmanager
def tunnel(port: int, bundle: Path) -> Iterator[int]:
    """A port that speaks TLS in front of one that does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle.with_name("server.pem"), bundle.with_name("server.key"))

    def serve(arrived: socket.socket) -> None:
        with suppress(OSError):  # a client that does not trust us hangs up
            join(context.wrap_socket(arrived, server_side=True), port)

    with listening(serve) as secure:
        yield secure


@contextmanager
def proxy(ports: Mapping[str, int], asked: list[str]) -> Iterator[str]:
    """The address of a proxy that knows hosts which nobody else knows, by ports of this machine."""

    def serve(arrived: socket.socket) -> None:
        with arrived, arrived.makefile("rb") as stream:
            method, place, _ = stream.readline().decode().split()
            while stream.readline().strip():
                pass
            asked.append(f"{method} {place}")
            arrived.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            join(arrived, ports[place.partition(":")[0]])

    with listening(serve) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def store() -> Iterator[Mapping[str, str]]:
    """Access to an object store, without TLS."""
    with object_store() as running:
        yield {
            "AWS_ACCESS_KEY_ID": running.admin[0],
            "AWS_SECRET_ACCESS_KEY": running.admin[1],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": running.endpoint,
        }


@pytest.fixture(scope="module")
def repository(store: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository whose photos are in the object store."""
    made = tmp_path_factory.mktemp("web") / "made"
    prepare(made)
    config = made / ".dvc" / "config"
    config.write_text(config.read_text().replace("url = remote", "url = s3://mlpipeline/photos"))
    git(made, "init", "-q", "-b", "main")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.items():
            patch.setenv(name, value)
        version(made, PHOTOS)
    git(made, "add", "-A")
    git(made, "commit", "-q", "-m", "photos")
    return made


@pytest.fixture(scope="module")
def ports(store: Mapping[str, str], repository: Path, bundle: Path) -> Iterator[Mapping[str, int]]:
    """Ports of this machine, with TLS, where the repository and the object store are."""

    class Web(Handler):
        """git's own server."""

        root = repository.parent

    plain = int(store["AWS_ENDPOINT_URL"].rpartition(":")[2])
    with (
        serving(Web) as web,
        tunnel(web, bundle) as secure_web,
        tunnel(plain, bundle) as secure_store,
    ):
        yield {"git.plant.example": secure_web, "s3.plant.example": secure_store}


def _fetched(
    repository: str, place: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Fetch the photos in a process that has nothing of this one's network, and say which."""
    code = (
        "from components.data_versioning.source import fetched\n"
        f"with fetched({f'{repository}/made:data.dvc'!r}, '') as folder:\n"
        "    for path in folder.iterdir():\n"
        "        print(path.name, path.read_bytes().hex())"
    )
    network = re.compile("(https?|no|all)_proxy|SSL_CERT_FILE|.*_CA_BUNDLE", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not network.fullmatch(name)}
    return subprocess.run(
        [sys.executable, "-c", code], env={**kept, "HOME": str(place), **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def _whole(ended: subprocess.CompletedProcess[str]) -> bool:
    """Whether all photos came as they are."""
    got = {line for line in ended.stdout.splitlines() if ".png" in line}
    return got == {f"{name} {value.hex()}" for name, value in PHOTOS.items()}


@pytest.mark.parametrize(
    ("variables", "untrusted"),
    [
        (("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), ""),
        (("SSL_CERT_FILE",), "cannot read the manifest"),
        (("REQUESTS_CA_BUNDLE",), "cannot clone"),
        ((), "cannot clone"),
    ],
)
def test_both_variables_for_certificates_are_needed_and_named(
    variables: tuple[str, ...],
    untrusted: str,
    ports: Mapping[str, int],
    store: Mapping[str, str],
    bundle: Path,
    tmp_path: Path,
) -> None:
    address = f"https://localhost:{ports['s3.plant.example']}"
    environment = {**store, "AWS_ENDPOINT_URL": address} | dict.fromkeys(variables, str(bundle))

    ended = _fetched(f"https://localhost:{ports['git.plant.example']}", tmp_path, environment)

    if not untrusted:
        assert _whole(ended), ended.stderr
        return
    told = ended.stderr.strip().splitlines()[-1]
    assert untrusted in told
    assert "in SSL_CERT_FILE and in REQUESTS_CA_BUNDLE" in told


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "Forbidden"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "Forbidden"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "Could not connect to the endpoint"),
    ],
)
def test_a_store_that_gives_nothing_is_told(
    change: Mapping[str, str],
    reason: str,
    ports: Mapping[str, int],
    store: Mapping[str, str],
    bundle: Path,
    tmp_path: Path,
) -> None:
    address = f"https://localhost:{ports['git.plant.example']}"

    ended = _fetched(address, tmp_path, {**store, "SSL_CERT_FILE": str(bundle), **change})

    assert ended.returncode != 0
    told = ended.stderr.strip().splitlines()[-1]
    assert reason in told
    assert "check the remote 'embedded'" in told and "credentials" in told
    assert store["AWS_SECRET_ACCESS_KEY"] not in ended.stdout + ended.stderr


def test_git_and_s3_go_through_the_proxy(
    ports: Mapping[str, int], store: Mapping[str, str], bundle: Path, tmp_path: Path
) -> None:
    asked: list[str] = []
    with proxy(ports, asked) as address:
        environment = {
            **store,
            "AWS_ENDPOINT_URL": "https://s3.plant.example",
            "SSL_CERT_FILE": str(bundle),
            "REQUESTS_CA_BUNDLE": str(bundle),
            "HTTPS_PROXY": address,
            "NO_PROXY": ".svc,.cluster.local,10.0.0.0/8",
        }
        ended = _fetched("https://git.plant.example", tmp_path, environment)

    assert _whole(ended), ended.stderr
    assert set(asked) == {f"CONNECT {host}:443" for host in ports}
