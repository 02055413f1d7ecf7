"""Servers that run for as long as a command does, and end with everything that they have started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a request to end, and the closing of the terminal."""
SECONDS_TO_END = 5
BETWEEN_LOOKS = 0.1
LINES_SHOWN = 20
PR_SET_CHILD_SUBREAPER = 36


class ServerDiedError(Exception):
    """A server ended by itself; the message holds the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running server and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Servers:
    """Servers that end with the block: asked at first, then made to, and none of their children stays behind.

    What a server starts may live in sessions of its own and outlive it, so process groups would not do: this process
    adopts such orphans, and everything below it is ended. A second signal while that is going on makes an end at once.
    """

    def __init__(self) -> None:
        self._servers: list[Server] = []
        self._is_ending = False
        self._end_by = 0.0

    def __enter__(self) -> Self:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._others = set(_below(os.getpid()))
        self._before = {number: signal.signal(number, self._interrupt) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        self._end_by = time.monotonic() + SECONDS_TO_END
        self._end()
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def start(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        """Start a server; its output is appended to the log."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603  (our own command)
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._servers.append(Server(name, process, log))

    def wait_until(self, condition: Callable[[], Any], seconds: float, what: str) -> None:
        """Wait until a condition holds. Raises ServerDiedError, or TimeoutError where that takes too long."""
        deadline = time.monotonic() + seconds
        while not condition():
            self._look()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} was not there after {seconds:.0f} s; the logs may say why")
            time.sleep(BETWEEN_LOOKS)

    def wait_for_an_end(self) -> NoReturn:
        """Wait until a server ends, which raises ServerDiedError, or a signal comes, which raises KeyboardInterrupt."""
        while True:
            self._look()
            time.sleep(BETWEEN_LOOKS)

    def _look(self) -> None:
        for server in self._servers:
            if (exit_code := server.process.poll()) is not None:
                said = last_lines(server.log)
                raise ServerDiedError(f"{server.name} has ended (exit code {exit_code}). {server.log} ends:\n{said}")

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if not self._is_ending:
            raise KeyboardInterrupt
        self._end_by = 0.0

    def _end(self) -> None:
        for server in self._servers:
            with contextlib.suppress(ProcessLookupError):
                server.process.terminate()
        while left := set(_below(os.getpid())) - self._others:
            if time.monotonic() > self._end_by:
                for process in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
            time.sleep(BETWEEN_LOOKS)
        for server in self._servers:
            server.process.wait()


def last_lines(log: Path, count: int = LINES_SHOWN) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])


def _below(parent: int) -> list[int]:
    """All living processes below a process; one that has ended and is not waited for is no more than an entry."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, of = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(of), []).append(int(folder.name))
    found = [parent]
    for process in found:
        found += children.get(process, [])
    return found[1:]
