"""A real HTTP proxy on loopback that hands requests on, and can be told to damage what comes back."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Line:
    """A line to one server, whatever host is asked for."""

    server: str
    """`host:port` of where requests go."""
    address: str = ""
    cut: int = 0
    """How many of the next bodies lose their second half."""
    alter: Callable[[bytes], bytes] = bytes
    """What becomes of each body."""
    before: Callable[[int], None] = lambda _number: None
    """Called before each GET is handed on, with its number."""
    asked: list[str] = field(default_factory=list)
    """What was asked for by GET."""
    lock: Any = field(default_factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    line: Line

    def do_GET(self) -> None:
        with self.line.lock:
            self.line.asked.append(self.path)
            number = len(self.line.asked)
            cut, self.line.cut = self.line.cut > 0, max(0, self.line.cut - 1)
        self.line.before(number)
        body = self.line.alter(self._hand_on())
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def do_HEAD(self) -> None:
        self._hand_on()

    def _hand_on(self) -> bytes:
        """Answer with the server's head; returns its body."""
        parts = urlsplit(self.path)
        connection = http.client.HTTPConnection(self.line.server, timeout=20)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(self.command, path, headers=dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "server", "date"):
                self.send_header(name, value)
        self.end_headers()
        connection.close()
        return body

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def line_to(server: str) -> Iterator[Line]:
    """A line to the server at `http://host:port`."""
    line = Line(urlsplit(server).netloc)
    handler = type("Handler", (_Handler,), {"line": line})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        line.address = f"http://127.0.0.1:{running.server_port}"
        yield line
        running.shutdown()
        thread.join()
