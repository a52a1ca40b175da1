"""KFP's object store for tests: the real SeaweedFS, started as KFP's manifest starts it."""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

INFRA = Path(__file__).parents[1] / "infra"
WEED = Path(sys.executable).with_name("weed")
KEYS = {
    "AWS_ACCESS_KEY_ID": "MLFLOWMLFLOWMLFLOW00",
    "AWS_SECRET_ACCESS_KEY": "aKeyThatAnInstallationMakesOfLettersAlone",
}
"""What the Secret `mlflow-object-store` says here."""


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, each another."""
    with ExitStack() as stack:
        # All at once: a port that was let go may be the next that is found.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


@dataclass(frozen=True)
class ObjectStore:
    """A running store.

    Attributes:
        endpoint: Of its S3 API.
        admin: Access and secret key of KFP's own user.
        binaries: Folder of a `kubectl` whose `exec` runs a pod's command here, on this store.
    """

    endpoint: str
    admin: tuple[str, str]
    binaries: Path

    def installed(self, code: str) -> subprocess.CompletedProcess[str]:
        """What a command of the installation says, with the Secrets of one that is there."""
        script = (
            f". {INFRA}/lib/install.sh\n"
            "context=none\n"
            'secret_value() { [ "$2" = mlflow-object-store ] && printf %s "${!3}"; }\n'
            f"{code}\n"
        )
        path = f"{self.binaries}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", script], env={**os.environ, **KEYS, "PATH": path},
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """SeaweedFS with KFP's bucket and user in it."""
    admin = ("KFPKFPKFPKFPKFPKFP00", "theKeyOfKfpItself")
    with tempfile.TemporaryDirectory(prefix="defectory-seaweedfs-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        # All that it listens on has a port of its own, so that stores can run side by side.
        others = (
            "volume.port", "volume.port.grpc", "filer.port.grpc", "s3.port.grpc", "iam.port",
            "s3.port.iceberg",
        )  # fmt: skip
        master, grpc, filer, s3, *rest = free_ports(4 + len(others))
        server = subprocess.Popen(
            [WEED, "server", f"-dir={folder}/data", "-s3", "-iam", "-filer",
             "-master.volumePreallocate=false", "-volume.max=100", "-ip=127.0.0.1",
             f"-master.port={master}", f"-master.port.grpc={grpc}",
             f"-filer.port={filer}", f"-s3.port={s3}",
             *(f"-{one}={port}" for one, port in zip(others, rest, strict=True))],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        try:
            _ready(s3, server)
            shell = [str(WEED), "shell", f"-master=127.0.0.1:{master}.{grpc}"]
            (folder / "kubectl").write_text(
                "#!/usr/bin/env bash\n"
                'while [ "$1" != -- ]; do shift; done\n'
                '[ "$2 $3" = "/usr/bin/weed shell" ] || exit 64\n'
                f"exec {' '.join(shell)}\n"
            )
            (folder / "kubectl").chmod(0o755)
            user, key = admin
            for command in (
                "s3.bucket.create -name mlpipeline",
                f"s3.configure -user a -access_key {user} -secret_key {key} -actions Admin -apply",
            ):
                subprocess.run(
                    shell, input=command, text=True, check=True, capture_output=True, timeout=60
                )
            yield ObjectStore(f"http://127.0.0.1:{s3}", admin, folder)
        finally:
            # Asked to end it takes its time to keep what nobody needs.
            server.kill()
            server.wait(60)


def _ready(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert server.poll() is None, "SeaweedFS ended"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/status")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    raise AssertionError("SeaweedFS did not start")
