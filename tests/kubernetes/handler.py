"""One connection to the API server: HTTP/1.1, streams in chunks."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.kubernetes.status import ApiError

if TYPE_CHECKING:
    from tests.kubernetes.api import Request, Server
    from tests.kubernetes.faults import RequestFault

_PATH = re.compile(
    r"/(?:api/v1|apis/batch/v1(?=/namespaces/[^/]+/jobs))(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<resource>pods|events|services|jobs)(?:/(?P<name>[^/]+))?(?:/(?P<sub>log|status))?"
)
BAD = 400
BAD_BODY = "couldn't get version/kind; json parse error"


class Handler(BaseHTTPRequestHandler):
    """Reads requests and writes what the API answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's acknowledgement of its head
    server: Server

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
        """Clients' tests say what matters."""

    def _serve(self, verb: str) -> None:
        from tests.kubernetes.api import refusal

        try:
            request = self._request(verb)
            fault = self.server.api.fault_for(request)
            if fault is not None and fault.kind == "status":
                raise refusal(fault)
            if fault is not None and fault.kind in {"hang", "reset"}:
                self._break(request, fault)
                return
            answer = self.server.api.answer(request)
        except ApiError as error:
            self._send(error.code, error.status)
            return
        if answer.stream is None:
            self._send(answer.code, answer.body)
        else:
            self._stream(answer.stream, answer.content_type, fault.parts if fault is not None else None)

    def _request(self, verb: str) -> Request:
        from tests.kubernetes.api import Request

        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = _PATH.fullmatch(url.path)
        parts = found.groupdict(default="") if found else {"resource": "", "namespace": "", "name": "", "sub": ""}
        if verb == "get" and found and not parts["name"]:
            verb = "watch" if query.get("watch") in {"true", "True", "1"} else "list"
        return Request(
            verb=verb,
            path=url.path,
            resource="/".join(filter(None, [parts["resource"], parts["sub"]])),
            namespace=parts["namespace"],
            name=parts["name"],
            query=query,
            content_type=self.headers.get("Content-Type", ""),
            token=self.headers.get("Authorization", "").removeprefix("Bearer "),
            body=_decoded(body),
        )

    def _send(self, code: int, body: Any) -> None:
        whole = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(whole)))
        if code >= BAD and (wait := body.get("details", {}).get("retryAfterSeconds")):
            self.send_header("Retry-After", str(wait))
        self.end_headers()
        self.wfile.write(whole)

    def _stream(self, parts: Iterable[bytes | None], content_type: str, cut_after: int | None) -> None:
        """Chunks as they come, until there are no more, the client has gone, or the stream is to break off."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        for part in parts:
            if self.server.api.stopping.is_set() or sent == cut_after or (part is None and self._has_gone()):
                self._drop()
                return
            if part:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                sent += 1
        if sent == cut_after:
            self._drop()
            return
        self.wfile.write(b"0\r\n\r\n")

    def _break(self, request: Request, fault: RequestFault) -> None:
        """Give no answer, whether or not what was asked is done."""
        if fault.done:
            with contextlib.suppress(ApiError):
                self.server.api.answer(request)
        until = time.monotonic() + fault.seconds
        while fault.kind == "hang" and time.monotonic() < until and not self._has_gone():
            if self.server.api.stopping.wait(0.05):
                break
        if fault.kind == "reset":
            self.server.resets.add(self.connection)
        self._drop()

    def _drop(self) -> None:
        self.close_connection = True

    def _has_gone(self) -> bool:
        """Whether the client has closed the connection."""
        self.connection.setblocking(False)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
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
        raise ApiError(400, f"the object provided is unrecognized (must be of type Pod): {BAD_BODY}: {error}") from None
