"""A hub of models on this machine, as far as its client asks: a tree of files, and the files."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "owner/name"


class Hub(ThreadingHTTPServer):
    """The hub.

    Attributes:
        root: The files of the one model that it has.
        asked: What was asked for: method, path, and the first byte.
        cuts: Names of files during which the connection breaks once.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.asked: list[tuple[str, str, int]] = []
        self.cuts: set[str] = set()

    @property
    def address(self) -> str:
        """What `HF_ENDPOINT` has to be."""
        return f"http://127.0.0.1:{self.server_port}"

    def fetched(self) -> set[str]:
        """Names of the files that were fetched."""
        start = f"/{NAME}/resolve/{COMMIT}/"
        return {
            path.removeprefix(start)
            for method, path, _ in self.asked
            if method == "GET" and path.startswith(start)
        }


@contextmanager
def serving(root: Path) -> Iterator[Hub]:
    """A hub with the model of a folder."""
    with Hub(root) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        try:
            yield hub
        finally:
            hub.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer()

    def _answer(self, only: bytes | None = None) -> None:
        path = self.path.partition("?")[0]
        first = int(self.headers.get("Range", "bytes=0-")[len("bytes=") :].partition("-")[0])
        self.server.asked.append((self.command, path, first))
        if path == f"/api/models/{NAME}/tree/{COMMIT}":
            self._send(200, json.dumps(self._tree()).encode(), {"Content-Type": "application/json"})
            return
        name = path.removeprefix(f"/{NAME}/resolve/{COMMIT}/")
        file = self.server.root / name
        if name == path or not file.is_file():
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        content = file.read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        about = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        self._send(206 if first else 200, content[first:], about, only, name)

    def _send(
        self,
        status: int,
        content: bytes,
        about: dict[str, str],
        only: bytes | None = None,
        name: str = "",
    ) -> None:
        self.send_response(status)
        for one, value in about.items():
            self.send_header(one, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = only is None and name in self.server.cuts
        self.wfile.write(content[: len(content) // 2] if cut else content if only is None else only)
        if cut:
            self.server.cuts.discard(name)
            self.close_connection = True

    def _tree(self) -> list[dict[str, object]]:
        files = sorted(path for path in self.server.root.rglob("*") if path.is_file())
        return [
            {
                "type": "file",
                "path": str(path.relative_to(self.server.root)),
                "size": path.stat().st_size,
                "oid": hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest(),
            }
            for path in files
        ]
