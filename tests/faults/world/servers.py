"""Servers on loopback that can be made to fail: a proxy that answers what a test wants, and MLflow's own."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.faults.world.worlds import World
from tests.server import free_port, wait_for


@dataclass(frozen=True)
class Answer:
    """What a proxy does with a request: answers itself with a status, or passes it on and keeps the answer back."""

    status: int = 0
    body: bytes = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    mute: bool = False


Rule = Callable[[str, str], Answer | None]
DENIED, BROKEN = Answer(403), Answer(500)
FULL = Answer(507, b"<Error><Code>InsufficientStorage</Code><Message>507: no room</Message></Error>")
SILENT = Answer(mute=True)


class Proxy:
    """An HTTP proxy on loopback before a server, or before none; `rule` sees method and path of each request."""

    def __init__(self, target: str = "", rule: Rule = lambda _method, _path: None) -> None:
        self.target = target
        self.rule = rule
        self.seen: list[str] = []
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port = int(self._server.server_port)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            proxy.seen.append(f"{self.command} {urlsplit(self.path).path}")
            answer = proxy.rule(self.command, self.path)
            if answer is None or answer.mute:
                status, headers, content = self._passed_on(body)
            else:
                status, headers, content = answer.status, {}, answer.body
            if answer is not None and answer.mute:
                proxy.released.wait()
            with contextlib.suppress(OSError):  # who asked may have gone
                self._send(status, headers, content)

        def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            if not proxy.target:
                return 200, {}, b"{}"
            there = http.client.HTTPConnection(urlsplit(proxy.target).netloc, timeout=60)
            there.request(self.command, self.path, body, dict(self.headers))
            response = there.getresponse()
            dropped = DROPPED if self.command == "HEAD" else (*DROPPED, "content-length")
            kept = {key: value for key, value in response.getheaders() if key.lower() not in dropped}
            content = response.read()
            there.close()
            return response.status, kept, content

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if self.command != "HEAD" else b"")

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = handle_any  # noqa: N815  (http.server's names)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (http.server's name)
            """Nothing."""

    return Handler


DROPPED = ("transfer-encoding", "connection", "server", "date")


@contextlib.contextmanager
def mlflow_server(world: World, log: Path) -> Iterator[str]:
    """A real MLflow server over a world's store; its address."""
    with serve_mlflow(world.database, f"file://{world.home}/artifacts", log) as address:
        yield address


@contextlib.contextmanager
def serve_mlflow(database: str, artifacts: str, log: Path) -> Iterator[str]:
    """A real MLflow server over a database; clients write artifacts themselves where it says. Its address."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--host", "127.0.0.1",
               "--port", str(port), "--workers", "1", "--no-serve-artifacts", "--default-artifact-root", artifacts]  # fmt: skip
    variables = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with log.open("w") as output:
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_for(lambda: _is_healthy(port), process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _is_healthy(port: int) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as there:
        there.request("GET", "/health")
        return there.getresponse().status == 200
    return False
