"""git's own server for tests, over HTTP on this machine."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

Fields = list[tuple[str, str]]


class Handler(BaseHTTPRequestHandler):
    """Gives the repositories of `root`, unless `refusal` says otherwise."""

    protocol_version = "HTTP/1.1"
    root: Path

    def refusal(self) -> tuple[int, Fields] | None:
        """Status and header fields of a refusal; None to answer."""
        return None

    def do_GET(self) -> None:
        """Answer one request."""
        body = self._body()
        if refusal := self.refusal():
            self._send(*refusal, b"")
            return
        place = urlsplit(self.path)
        done = subprocess.run(
            ["git", "http-backend"],
            env={
                "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": place.path,
                "QUERY_STRING": place.query, "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)), "REMOTE_USER": "robot",
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
            input=body, capture_output=True, check=True,
        )  # fmt: skip
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(fields.pop("Status", "200").split()[0])
        self._send(status, list(fields.items()), content)

    do_POST = do_GET  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, status: int, fields: Fields, content: bytes) -> None:
        self.send_response(status)
        for name, value in [*fields, ("Content-Length", str(len(content)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[Handler]) -> Iterator[int]:
    """The port of a server whose requests such a handler answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running.server_port
        running.shutdown()
        thread.join()
