"""The API server: HTTP on loopback."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.kubernetes.resources import Answer, Resources
from tests.kubernetes.status import ApiError

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster

_PATH = re.compile(
    r"/api/v1(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>pods|events)(?:/(?P<name>[^/]+))?(?:/(?P<sub>log|status))?"
)


@dataclass(frozen=True)
class Request:
    """What a client asks."""

    verb: str
    path: str
    resource: str
    namespace: str
    name: str
    query: dict[str, str]
    content_type: str
    body: Any

    def flag(self, name: str) -> bool:
        return self.query.get(name, "") in {"true", "True", "1"}

    def number(self, name: str) -> int | None:
        """Raises ApiError."""
        text = self.query.get(name)
        try:
            return None if text is None else int(text)
        except ValueError:
            raise ApiError(400, f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


class ApiServer:
    """Serves a cluster's objects; one thread per connection."""

    def __init__(self, cluster: Cluster, port: int = 0) -> None:
        self.cluster = cluster
        self.resources = Resources(cluster)
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="api-server", daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: Request) -> Answer:
        """Raises ApiError."""
        return self.resources.answer(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128
    api: ApiServer

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End connections that clients keep for later."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    def handle_error(self, *_: Any) -> None:
        """A client that has gone is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # type: ignore[assignment]

    def do_GET(self) -> None:
        self._serve("get")

    def do_POST(self) -> None:
        self._serve("create")

    def do_PATCH(self) -> None:
        self._serve("patch")

    def do_DELETE(self) -> None:
        self._serve("delete")

    def do_PUT(self) -> None:
        self._serve("update")

    def log_message(self, *_: Any) -> None:
        pass

    def _serve(self, verb: str) -> None:
        try:
            request = self._request(verb)
            self.server.api.requests.append(request)
            answer = self.server.api.answer(request)
        except ApiError as error:
            self._send(error.code, error.status)
            return
        if answer.stream is None:
            self._send(answer.code, answer.body)
        else:
            self._stream(answer.stream, answer.content_type)

    def _request(self, verb: str) -> Request:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = _PATH.fullmatch(url.path)
        parts = found.groupdict(default="") if found else {"resource": "", "namespace": "", "name": "", "sub": ""}
        if verb == "get" and found and not parts["name"]:
            verb = "watch" if query.get("watch") in {"true", "True", "1"} else "list"
        resource = "/".join(filter(None, [parts["resource"], parts["sub"]]))
        return Request(
            verb,
            url.path,
            resource,
            parts["namespace"],
            parts["name"],
            query,
            self.headers.get("Content-Type", ""),
            _decoded(body),
        )

    def _send(self, code: int, body: Any) -> None:
        whole = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(body, bytes) else "application/json")
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(whole)

    def _stream(self, parts: Iterable[bytes | None], content_type: str) -> None:
        """Chunks as they come, until there are no more or the client has gone."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for part in parts:
            if self.server.api.stopping.is_set():
                self.close_connection = True
                return
            if part:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            elif self._has_gone():
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def _has_gone(self) -> bool:
        """Whether the client has closed the connection."""
        self.connection.setblocking(False)
        try:
            return self.connection.recv(1, 2) == b""  # only looked at: MSG_PEEK
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            with contextlib.suppress(OSError):
                self.connection.setblocking(True)


def _decoded(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError(
            400,
            f"the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: {error}",
        ) from None


def until(request: Request) -> float:
    """When a watch ends by itself."""
    return time.monotonic() + (request.number("timeoutSeconds") or 1800)
