"""The time that the router before deployed versions adds to a request."""

from __future__ import annotations

import asyncio
import http.client
import json
import multiprocessing
import shutil
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bench.commands import PROJECT
from bench.figure import Figure
from bench.prediction import fitted_churn, saved
from trainer.deployment.request_rows import as_text
from trainer.errors import TrainerError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from trainer.pipeline import TabularPipeline
    from trainer.serving.version_server import VersionServer

CALLS, WARM = 300, 30
MOST_MS = 2.0
DIGEST = "0" * 64
MODEL = "bench"


def router_overhead() -> list[Figure]:
    """A request with one row through the router, beside one to the version's own process, in turn.

    Raises TrainerError if the router does not answer.
    """
    from trainer.pipeline import load_pipeline

    pipeline = cast("TabularPipeline", load_pipeline(PROJECT / "include" / "pipelines" / "churn.yaml"))
    with tempfile.TemporaryDirectory() as home:
        fitted, training = fitted_churn(pipeline)
        model = saved(fitted, training, Path(home))
        here, there = multiprocessing.Pipe()
        router = multiprocessing.get_context("spawn").Process(target=_route, args=(home, model, there), daemon=True)
        router.start()
        try:
            address, path = here.recv()
            through, direct = _timed(address, path, as_text(training.head(1)).encode())
        finally:
            router.terminate()
            router.join()
    how = (
        "a request with one row of the churn pipeline's model through the router, less one to the version's own "
        f"process: difference of the medians of {CALLS} requests each, in turn, against {MOST_MS:g} ms"
    )
    return [Figure("router_overhead", through - direct, MOST_MS, 1.0, "lower", "ms", how)]


def _route(home: str, model: str, told: Connection) -> None:
    """Serve the model; in a process of its own, since the router and who asks it would share one otherwise."""
    from trainer.serving.run_router import listening_on, serve
    from trainer.serving.service import Service
    from trainer.serving.version_server import new_folder, start_process

    async def start(name: str, _version: str, _digest: str) -> VersionServer:
        return await start_process(name, model, new_folder())

    folder = Path(home) / "serving"
    service = Service(MODEL, folder, ("1", DIGEST), start)

    def ready(url: str, _stop: object) -> None:
        told.send((url, str(service.servers["1"].folder / "socket")))

    with listening_on(0) as listening:
        asyncio.run(serve(service, folder, listening, ready))
    shutil.rmtree(folder)


def _timed(address: str, path: str, body: bytes) -> tuple[float, float]:
    """Return the medians in milliseconds, through the router and straight to the process."""
    host, _, port = address.removeprefix("http://").partition(":")
    connections = (http.client.HTTPConnection(host, int(port)), _OverSocket(path))
    times: tuple[list[float], list[float]] = ([], [])
    for call in range(WARM + CALLS):
        for connection, taken in zip(connections, times, strict=True):
            began = time.perf_counter()
            connection.request("POST", "/invocations", body, {"content-type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            if call >= WARM:
                taken.append(1000 * (time.perf_counter() - began))
            if response.status != http.HTTPStatus.OK or "predictions" not in json.loads(content):
                raise TrainerError(f"router_overhead: status {response.status}: {content[:200]!r}")
    through, direct = map(statistics.median, times)
    return through, direct


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("model")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)
