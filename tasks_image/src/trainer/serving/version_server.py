"""The process that serves one version, confined like a model that is judged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import psutil

from trainer.errors import ModelRefusedError, TrainerError
from trainer.isolated.scoring import confinement, fetch_model, keep_end
from trainer.process.servers import ISOLATED, isolated_environment
from trainer.registry.origin import model_digest
from trainer.serving import model_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

logger = logging.getLogger(__name__)

SECONDS_TO_LOAD = 300.0
"""A model that takes longer does not serve."""
SECONDS_TO_DRAIN = 30.0
"""Requests that a version is answering when it is stopped may take so long."""
BETWEEN_LOOKS = 0.05
SECONDS_FOR_OUTPUT = 5.0
"""After the end of a process; one that has left its group would keep the output open."""
PREFIX = "serving-"
LONGEST_HOME = 60
LAST_LINES = 15
BACKLOG = 1024


@dataclass(eq=False)
class VersionServer:
    """A version's process."""

    name: str
    """The model and its version, for messages."""
    folder: Path
    """Its files: the model, what it may write, its socket."""
    process: subprocess.Popen[str]
    session: aiohttp.ClientSession
    reading: threading.Thread
    said: deque[str]
    """The last characters of its output."""
    in_flight: int = 0

    @property
    def is_running(self) -> bool:
        """True until the process has ended."""
        return self.process.poll() is None

    @contextlib.asynccontextmanager
    async def asked(self, path: str, body: bytes, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask the process; whoever stops it waits until the block has ended. Raises aiohttp.ClientError."""
        self.in_flight += 1
        try:
            async with self.session.post(f"http://model{path}", data=body, headers=headers) as response:
                yield response
        finally:
            self.in_flight -= 1

    def last_words(self) -> str:
        """Return the last lines that the process has written."""
        return "\n".join(self.said[0].strip().splitlines()[-LAST_LINES:])

    async def stop(self, drain: float = SECONDS_TO_DRAIN) -> None:
        """Wait for requests that are being answered, end the process and all it has started, and remove its files."""
        ends = time.monotonic() + drain
        while self.in_flight and self.is_running and time.monotonic() < ends:  # noqa: ASYNC110  (a process ends too)
            await asyncio.sleep(BETWEEN_LOOKS)
        await self.session.close()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reading.join(SECONDS_FOR_OUTPUT)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)


async def start_server(model: str, version: str, digest: str) -> VersionServer:
    """Fetch a version, start its process and wait until it answers.

    Raises ModelRefusedError if its files are others than were registered, or it cannot be loaded; TrainerError if it
    cannot be fetched.
    """
    folder = new_folder()
    try:
        files = await asyncio.to_thread(_fetch, f"models:/{model}/{version}", digest, folder)
        return await start_process(f"{model} version {version}", files, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


async def start_process(name: str, files: str, folder: Path, script: str = str(model_server.__file__)) -> VersionServer:
    """Start a process that serves what lies in a folder `files`, and wait until it answers.

    :param folder: for its socket and what it may write; it is removed when the process is stopped
    :param script: what runs in it, told what to do by a file as `model_server.main` says

    Raises ModelRefusedError if it cannot load the model or is not ready in time, TrainerError if it ends otherwise.
    """
    server = _launch(name, files, folder, script)
    try:
        await _until_ready(server)
    except BaseException:
        await server.stop(drain=0)
        raise
    logger.info("%s is loaded and answers", name)
    return server


def new_folder() -> Path:
    """Return a new folder for a version's process; those of routers that were killed are removed."""
    for path in _home().glob(f"{PREFIX}*-*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(path, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=_home()))


def _home() -> Path:
    """Return the folder for temporary files, or /tmp where its path is too long: a socket's may have 107 bytes."""
    found = tempfile.gettempdir()
    return Path(found if len(os.fsencode(found)) <= LONGEST_HOME else "/tmp")  # noqa: S108  (mkdtemp makes it private)


def _fetch(uri: str, digest: str, folder: Path) -> str:
    path = fetch_model(uri, folder / "model")
    found = model_digest(Path(path))
    if found != digest:
        raise ModelRefusedError(
            f"{uri}: its files have the SHA-256 {found}, expected {digest}: they were changed after they were "
            "registered, so it is not loaded; register it anew by a run"
        )
    return path


def _launch(name: str, files: str, folder: Path, script: str) -> VersionServer:
    scratch, path = folder / "scratch", folder / "socket"
    scratch.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(BACKLOG)
        request = {
            "model": files, "scratch": str(scratch), "socket": listening.fileno(),
            "confinement": confinement(),
        }  # fmt: skip
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        process = subprocess.Popen(  # noqa: S603  (our own script)
            [*ISOLATED, script, str(folder / "request.json")],
            cwd=scratch,
            env=isolated_environment(str(scratch)),
            stdin=subprocess.PIPE,  # its end tells the process that this one has ended
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )
    said: deque[str] = deque([""], maxlen=1)
    reading = threading.Thread(target=keep_end, args=(process.stdout, said), daemon=True)
    reading.start()
    session = aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(str(path), limit=0), timeout=aiohttp.ClientTimeout(total=None)
    )
    return VersionServer(name, folder, process, session, reading, said)


async def _until_ready(server: VersionServer) -> None:
    """Wait for the first answer. Raises ModelRefusedError if the process ends before, or does not answer in time."""
    ends = time.monotonic() + SECONDS_TO_LOAD
    while server.is_running and time.monotonic() < ends:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with server.session.get("http://model/health", timeout=aiohttp.ClientTimeout(total=5)) as response:
                if response.status == 200:  # noqa: PLR2004
                    return
        await asyncio.sleep(BETWEEN_LOOKS)
    if server.is_running:
        raise ModelRefusedError(f"{server.name} does not answer {SECONDS_TO_LOAD:g} s after its start")
    await asyncio.to_thread(server.reading.join, SECONDS_FOR_OUTPUT)
    code = server.process.returncode
    if code == model_server.CANNOT_LOAD:
        raise ModelRefusedError(f"{server.name} cannot be loaded: {server.last_words()}")
    raise TrainerError(f"{server.name}: its process ended with {code} while it was loaded: {server.last_words()}")
