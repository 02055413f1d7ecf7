"""The API server: who may ask what, and what goes wrong on the way."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.kubernetes.admission import authorize
from tests.kubernetes.control import PREFIX, answer_control
from tests.kubernetes.faults import RequestFault
from tests.kubernetes.handler import Handler
from tests.kubernetes.resources import Answer, Resources
from tests.kubernetes.status import ApiError

if TYPE_CHECKING:
    from tests.kubernetes.cluster import Cluster

CONFLICT = 409
MESSAGES = {
    429: "the server has received too many requests and has asked us to try again later",
    500: "Internal error occurred: etcdserver: request timed out",
    503: "the server is currently unable to handle the request",
}


@dataclass(frozen=True)
class Request:
    """What a client asks."""

    verb: str
    """As in a role: create, get, list, watch, patch, delete."""
    path: str
    resource: str
    """`pods`, `pods/log`, `events`; empty for what is none of them."""
    namespace: str
    name: str
    query: dict[str, str]
    content_type: str
    token: str
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
    """Serves a cluster's objects on loopback, each connection in a thread of its own."""

    def __init__(self, cluster: Cluster, port: int = 0) -> None:
        self._cluster = cluster
        self._resources = Resources(cluster)
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._server = Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="api-server", daemon=True)

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

    def fault_for(self, request: Request) -> RequestFault | None:
        """What befalls a request; it is noted either way."""
        self.requests.append(request)
        return self._cluster.faults.of_request(request)

    def answer(self, request: Request) -> Answer:
        """Raises ApiError."""
        spec = self._cluster.spec
        if request.path.startswith(PREFIX):
            return Answer(answer_control(request, self._cluster))
        if spec.token and request.token != spec.token:
            raise ApiError(401, "Unauthorized")
        if request.resource:
            authorize(spec, request.verb, request.resource, request.namespace, request.name)
        return self._resources.answer(request)


def refusal(fault: RequestFault) -> ApiError:
    """The error that a fault answers with."""
    message = fault.message or MESSAGES.get(fault.status, "the server does not feel well")
    details = {"retryAfterSeconds": fault.retry_after} if fault.retry_after is not None else {}
    # A conflict is one with another change; of a name that is taken the store itself tells.
    return ApiError(fault.status, message, "Conflict" if fault.status == CONFLICT else "", details)


class Server(ThreadingHTTPServer):
    """Ends with all its connections."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: ApiServer) -> None:
        self.api = api
        self._open: set[Any] = set()
        self.resets: set[Any] = set()
        """Connections that end without the usual farewell."""
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        if request in self.resets:
            self.resets.discard(request)
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def close_connections(self) -> None:
        """End connections that clients keep for later."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error of ours."""
        import sys
        import traceback

        if not isinstance(sys.exception(), OSError | ValueError):
            traceback.print_exc()
