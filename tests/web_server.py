"""A real HTTP server on loopback that can be told to misbehave."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class WebFile:
    """The one file that a server has, and how it answers."""

    content: bytes = b""
    address: str = ""
    etag: str = '"1"'
    ranges: bool = True
    encoding: str = ""
    changed: str = "Sun, 04 Jan 2026 02:00:00 GMT"
    statuses: list[int] = field(default_factory=list)
    """What the next requests are answered with, before the file is given."""
    cut_after: list[int] = field(default_factory=list)
    """After how many bytes the next answers break off."""
    then: dict[int, bytes] = field(default_factory=dict)
    """The content from the request of that number on."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """The headers of all requests."""


class _Handler(BaseHTTPRequestHandler):
    file: WebFile

    def do_GET(self) -> None:
        file = self.file
        file.asked.append({**self.headers})
        if len(file.asked) in file.then:
            file.content = file.then[len(file.asked)]
            file.etag = f'"{len(file.asked)}"' if file.etag else ""
        if self.path == "/moved":
            self._head(302, {"Location": "/rows.csv", "Content-Length": "0"})
        elif file.statuses:
            self._head(file.statuses.pop(0), {"Content-Length": "0"})
        else:
            self._give(file, self._start(file))

    def _start(self, file: WebFile) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (file.etag, file.changed)
        return int(found[1]) if found and file.ranges and same else 0

    def _give(self, file: WebFile, start: int) -> None:
        rest = file.content[start:]
        headers = {"Content-Length": str(len(rest)), "ETag": file.etag, "Last-Modified": file.changed}
        headers["Content-Encoding"] = file.encoding
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(file.content) - 1}/{len(file.content)}"
        self._head(206 if start else 200, {name: value for name, value in headers.items() if value})
        self.wfile.write(rest[: file.cut_after.pop(0)] if file.cut_after else rest)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serve_file(tls: ssl.SSLContext | None = None) -> Iterator[WebFile]:
    """A file on a web server, on one that speaks TLS where a context is given."""
    file = WebFile()
    handler = type("Handler", (_Handler,), {"file": file})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        if tls:
            running.socket = tls.wrap_socket(running.socket, server_side=True)
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        file.address = f"{'https' if tls else 'http'}://127.0.0.1:{running.server_port}/rows.csv"
        yield file
        running.shutdown()
        thread.join()


@pytest.fixture
def web_file() -> Iterator[WebFile]:
    """A file on a web server."""
    with serve_file() as file:
        yield file
