"""Photos behind certificates of a plant's own authority: git and S3 over TLS."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from git_server import Handler, serving
from object_store import object_store
from test_source import git, prepare, version

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="needs openssl")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's certificate; beside it `server.pem` and its key, for localhost."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*words: str) -> None:
        subprocess.run([str(OPENSSL), *words], cwd=folder, check=True, capture_output=True)

    new = ("-newkey", "rsa:2048", "-nodes", "-keyout")
    openssl("req", "-x509", *new, "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Plant",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    openssl("req", *new, "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.pem")  # fmt: skip
    return folder / "ca.pem"


@contextmanager
def tunnel(port: int, bundle: Path) -> Iterator[str]:
    """An address with https in front of a port without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle.with_name("server.pem"), bundle.with_name("server.key"))

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def through(arrived: socket.socket) -> None:
        with suppress(OSError):  # a client that trusts nobody hangs up
            outside = context.wrap_socket(arrived, server_side=True)
            inside = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=pump, args=(outside, inside), daemon=True).start()
            pump(inside, outside)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    arrived, _ = listener.accept()
                    threading.Thread(target=through, args=(arrived,), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        yield f"https://localhost:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def store(bundle: Path) -> Iterator[Mapping[str, str]]:
    """Access to an object store without TLS, and in `TLS` its address with it."""
    with (
        object_store() as running,
        tunnel(int(running.endpoint.rpartition(":")[2]), bundle) as address,
    ):
        yield {
            "AWS_ACCESS_KEY_ID": running.admin[0],
            "AWS_SECRET_ACCESS_KEY": running.admin[1],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": running.endpoint,
            "TLS": address,
        }


@pytest.fixture(scope="module")
def address(
    store: Mapping[str, str], bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A git repository over TLS, whose photos are in the object store."""
    folder = tmp_path_factory.mktemp("web")
    made = folder / "made"
    prepare(made)
    config = made / ".dvc" / "config"
    config.write_text(config.read_text().replace("url = remote", "url = s3://mlpipeline/photos"))
    git(made, "init", "-q", "-b", "main")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.items():
            patch.setenv(name, value)
        version(made, {"one.png": b"photo"})
    git(made, "add", "-A")
    git(made, "commit", "-q", "-m", "photos")

    class Web(Handler):
        """git's own server."""

        root = folder

    with serving(Web) as port, tunnel(port, bundle) as secure:
        yield f"{secure}/made:data.dvc"


@pytest.mark.parametrize(
    ("variables", "untrusted"),
    [
        (("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), ""),
        (("SSL_CERT_FILE",), "cannot read the manifest"),
        (("REQUESTS_CA_BUNDLE",), "cannot clone"),
        ((), "cannot clone"),
    ],
)
def test_both_variables_are_needed_and_named(
    variables: tuple[str, ...],
    untrusted: str,
    address: str,
    store: Mapping[str, str],
    bundle: Path,
    tmp_path: Path,
) -> None:
    code = (
        "from components.data_versioning.source import fetched\n"
        f"with fetched({address!r}, '') as folder:\n"
        "    print((folder / 'one.png').read_text())"
    )
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {**store, "AWS_ENDPOINT_URL": store["TLS"], "HOME": str(tmp_path)}
    environment |= {"NO_PROXY": "*"} | dict.fromkeys(variables, str(bundle))

    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )

    if not untrusted:
        assert ended.stdout.splitlines()[-1:] == ["photo"], ended.stderr
        return
    told = ended.stderr.strip().splitlines()[-1]
    assert untrusted in told
    assert "in SSL_CERT_FILE and in REQUESTS_CA_BUNDLE" in told
