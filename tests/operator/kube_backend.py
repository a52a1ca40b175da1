"""A server that speaks as much of Kubernetes' API as logs need, in the same process as KFP's.

Logs come in pieces, line by line, as a kubelet sends them; every line has a time, a third of a
second after the one before.
"""

import datetime
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from kfp_checks import Refused

BEGIN = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
_STEP = datetime.timedelta(seconds=1) / 3


@dataclass(frozen=True)
class Break:
    """How a log ends otherwise than with its last line.

    Attributes:
        after: How many lines are sent of those asked for.
        half: What is sent of the next line.
        cut: Whether the connection breaks off; else the answer ends as if it were complete.
        dead: Set when the test is over, where the connection stays and says nothing more.
    """

    after: int
    half: str = ""
    cut: bool = False
    dead: threading.Event | None = None


def send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json"
) -> None:
    """Send a whole answer."""
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def answer(
    handler: BaseHTTPRequestHandler,
    pods: dict[str, list[dict[str, Any]]],
    path: str,
    query: dict[str, str],
    how: Break | None = None,
) -> None:
    """Answer a request for pods, or for a pod's log.

    Args:
        handler: Sends it.
        pods: All pods, by namespace.
        path: What is asked for.
        query: How.
        how: How a log ends, where it does not end with its last line.
    """
    match = re.fullmatch(r"/api/v1/namespaces/([^/]+)/pods(?:/([^/]+)/log)?", path)
    if match is None:
        raise Refused(404, path)
    there = pods.get(match[1], [])
    if match[2] is None:
        key, _, value = query["labelSelector"].partition("=")
        items = [one for one in there if one["metadata"]["labels"].get(key) == value]
        found = {"kind": "PodList", "apiVersion": "v1", "items": items, "metadata": {}}
        return send(handler, 200, json.dumps(found).encode())
    named = [one for one in there if one["metadata"]["name"] == match[2]]
    if not named or query.get("container") != "main":
        raise Refused(404, f"pod {match[2]} not found")
    if set(query) - {"container", "follow", "timestamps", "sinceTime", "tailLines"}:
        raise Refused(400, f"unknown query {sorted(query)}")
    _stream(handler, _lines(named[0]["log"], query), how)


def _lines(log: str, query: dict[str, str]) -> list[str]:
    timed = [(BEGIN + _STEP * number, line) for number, line in enumerate(log.splitlines(True))]
    if "sinceTime" in query:
        since = datetime.datetime.strptime(query["sinceTime"], "%Y-%m-%dT%H:%M:%S%z")
        timed = [(at, line) for at, line in timed if at >= since]
    if "tailLines" in query:
        timed = timed[-int(query["tailLines"]) :]
    if query.get("timestamps") == "true":
        return [f"{at:%Y-%m-%dT%H:%M:%S.%f}789Z {line}" for at, line in timed]
    return [line for _, line in timed]


def _stream(handler: BaseHTTPRequestHandler, lines: list[str], how: Break | None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/plain")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for line in lines if how is None else [*lines[: how.after], how.half]:
        if piece := line.encode():
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    if how is not None and how.dead is not None:
        how.dead.wait(60.0)
    if how is not None and (how.cut or how.dead is not None):
        handler.close_connection = True
        handler.connection.close()
        return
    handler.wfile.write(b"0\r\n\r\n")
