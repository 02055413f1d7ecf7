"""Run a model's router until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn

from trainer.errors import ConfigurationError
from trainer.isolated.sandbox import hide_from_proc
from trainer.run.folder import make_private
from trainer.serving.metrics import Metrics
from trainer.serving.router import application
from trainer.serving.service import Service
from trainer.serving.state import ADDRESS_FILE, new_address, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from trainer.serving.exposures import Keep

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
SECONDS_TO_END = 35
"""Requests that are being answered at the end may take so long."""


def run_router(
    model: str,
    folder: Path,
    port: int,
    on_ready: Callable[[str], None],
    first: tuple[str, str] | None = None,
    keep_exposures: Keep | None = None,
) -> None:
    """Serve a model on a port of loopback until SIGINT or SIGTERM.

    :param folder: holds the state of this model alone
    :param port: 0: any that is free
    :param on_ready: called with the address once requests are answered
    :param first: a version and its digest, which gets all traffic at once
    :param keep_exposures: brings units of experiments into a database; without it no experiment can begin

    Raises ConfigurationError if another router serves from the folder, the port is in use, or the state is damaged.
    """
    hide_from_proc()  # it holds logins that no model may read

    def ready(url: str, stop: Callable[[], None]) -> None:
        for sign in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(sign, stop)
        on_ready(url)

    with _alone(folder), listening_on(port) as listening:
        asyncio.run(serve(Service(model, folder, first, keep_exposures=keep_exposures), folder, listening, ready))


class _Server(uvicorn.Server):
    """Leaves signals alone: uvicorn would raise them again, and cut off what is left to do."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """End once the requests that are being answered have ended."""
        self.should_exit = True


async def serve(
    service: Service, folder: Path, listening: socket.socket, on_ready: Callable[[str, Callable[[], None]], None]
) -> None:
    """Serve on a socket until a signal, or until the function that `on_ready` is given beside the address is called.

    Raises TrainerError if the version in service cannot start.
    """
    address = new_address(f"http://{LOOPBACK}:{listening.getsockname()[1]}")
    app = application(service, Metrics(service.state.model), address.token)
    server = _Server(
        uvicorn.Config(
            app,
            access_log=False,
            lifespan="off",
            log_level="warning",
            timeout_graceful_shutdown=SECONDS_TO_END,
            log_config=None,
            server_header=False,
        )
    )
    try:
        await service.open()
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not (server.started or serving.done()):  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.02)
        write(folder, ADDRESS_FILE, address)
        on_ready(address.url, server.stop)
        await serving
    finally:
        (folder / ADDRESS_FILE).unlink(missing_ok=True)
        await service.close()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    make_private(folder)
    with (folder / "lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"another router serves from {folder}; end it first (Ctrl-C in its terminal)"
            ) from error
        yield


@contextlib.contextmanager
def listening_on(port: int) -> Iterator[socket.socket]:
    """Listen on a port of loopback; 0: any that is free. Raises ConfigurationError if it is not to be had."""
    # With TCP named, the loop sends each part of an answer at once; otherwise each answer takes 40 ms longer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((LOOPBACK, port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} of {LOOPBACK} is not to be had: {os.strerror(error.errno or 0)}; choose "
                "another one (--port, or SERVE_PORT of `make serve`)"
            ) from error
        listening.listen(1024)
        yield listening
