"""A local HTTP server in place of Airflow and MLflow, which answers as a test says, also wrongly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

TOKEN = "kept-secret-token-of-airflow"
PASSWORD = "kept-secret-password-of-mlflow"
Route = Callable[["Asked"], tuple[int, bytes] | Any]


class Asked:
    """A request, as a route sees it."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.method, self.headers, self.handler = handler.command, handler.headers, handler
        parts = urlsplit(handler.path)
        self.path, self.query = parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.content: Any = json.loads(body) if body else None


class Server:
    """Routes by the beginning of a path; what is asked for is kept in `asked`."""

    def __init__(self) -> None:
        self.routes: dict[str, Any] = {}
        self.asked: list[Asked] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                asked = Asked(self)
                outer.asked.append(asked)
                prefix = max((one for one in outer.routes if asked.path.startswith(one)), key=len, default="")
                found = outer.routes.get(prefix, (404, b'{"detail": "Not Found"}'))
                answer = found(asked) if callable(found) else found
                if answer is None:  # the route has answered itself
                    return
                status, body = answer if isinstance(answer, tuple) else (200, json.dumps(answer).encode())
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, without routes; the tools take it for Airflow and for MLflow."""
    running.routes, running.asked = {}, []
    for name, value in {
        "AGENTS_AIRFLOW_URL": running.address,
        "AGENTS_AIRFLOW_TOKEN": TOKEN,
        "AGENTS_MLFLOW_URL": running.address,
        "AGENTS_MLFLOW_USERNAME": "ann",
        "AGENTS_MLFLOW_PASSWORD": PASSWORD,
        "AGENTS_TIMEOUT_SECONDS": "20",
    }.items():
        monkeypatch.setenv(name, value)
    return running


FORM = {
    "epochs": {"value": None, "schema": {"type": ["null", "integer"], "minimum": 1, "maximum": 1000}},
    "lr": {"value": None, "schema": {"type": ["null", "number"], "exclusiveMinimum": 0, "maximum": 1}},
    "batch_size": {"value": None, "schema": {"type": ["null", "integer"], "minimum": 1}},
    "gpu": {"value": None, "schema": {"type": ["null", "integer"], "minimum": 0, "maximum": 64}},
    "note": {"value": "", "schema": {"type": ["null", "string"]}},
}


@pytest.fixture
def airflow(server: Server) -> Server:
    """An Airflow with the pipelines `mnist` and `churn`."""
    churn = {name: FORM[name] for name in ("batch_size", "note")}

    def start(asked: Asked) -> Any:
        return {"dag_run_id": "manual__1", "state": "queued"} if asked.method == "POST" else (404, b"{}")

    for name, form in (("mnist", FORM), ("churn", churn)):
        server.routes[f"/api/v2/dags/{name}_training/details"] = {"is_paused": False, "params": form}
        server.routes[f"/api/v2/dags/{name}_training/tasks"] = {"tasks": [{"task_id": "start"}]}
        server.routes[f"/api/v2/dags/{name}_training/dagRuns"] = start
    listed = [{"dag_id": f"{name}_training", "tags": [], "is_paused": False} for name in ("churn", "mnist")]
    server.routes["/api/v2/dags"] = lambda asked: (
        {"dags": listed, "total_entries": 2} if asked.path == "/api/v2/dags" else (404, b'{"detail": "Not Found"}')
    )
    return server
