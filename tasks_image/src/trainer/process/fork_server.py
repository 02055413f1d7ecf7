"""A process that imports libraries once and forks itself for each command that a client sends.

Runs as a script, without this package on its path if need be, so it imports only the standard library. Nothing here may
start a thread before a fork: the child would inherit its locks and not the thread.

The protocol, on sockets of the kind SOCK_SEQPACKET:

- A client sends one byte and the descriptors named in `Descriptors` on the control socket. When no process holds the
  client's end any more, the server kills its children and exits.
- The request is a JSON object in an anonymous file: `command` (`["-m", "module", …]` or `["script.py", …]`),
  `environment`, `folder` (the working directory), and `shared` (variables that get the numbers of further descriptors).
- The request's own status socket brings `pid N` from the child, once it has a session of its own, and `exit N` from the
  server, with its exit code (negative: the signal). When the client closes this socket early, the child's process group
  is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_DESCRIPTORS = 8
LONGEST_NAME = 15
"""Linux keeps as many bytes of a process's name."""
ENDS = (signal.SIGCHLD,)


class Descriptors(NamedTuple):
    """The descriptors of each request; descriptors to share follow."""

    status: int
    request: int
    stdin: int
    output: int


@dataclass
class Server:
    """The loop: requests, children that end, and clients that go away."""

    control: socket.socket
    children: dict[int, socket.socket] = field(default_factory=dict)
    """Status sockets by process id."""

    def __post_init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.control, selectors.EVENT_READ, self._take_request)

    def serve(self, modules: Iterable[str]) -> None:
        """Import the modules, and answer requests in between and afterwards; return once all clients are gone."""
        signal.signal(signal.SIGCHLD, lambda *_: self._reap())  # during an import too
        gc.disable()  # what is imported stays: looking through it again and again takes a quarter of the time
        for name in modules:
            if not self._answer(timeout=0):
                return
            with contextlib.suppress(Exception):  # the command that needs it will fail with the reason
                importlib.import_module(name)
        gc.freeze()  # children neither visit nor copy what is imported
        gc.enable()
        while self._answer(timeout=None):
            pass

    def _answer(self, timeout: float | None) -> bool:
        """Handle events; return False once all clients are gone."""
        for key, _ in self._selector.select(timeout):
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)  # a child that ends at once must be known before
            goes_on = key.data()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
            if not goes_on:
                self._kill(self.children)
                return False
        return True

    def _take_request(self) -> bool:
        said, descriptors, _, _ = socket.recv_fds(self.control, 1, MOST_DESCRIPTORS)
        if not said:
            return False
        received = Descriptors(*descriptors[: len(Descriptors._fields)])
        shared = descriptors[len(Descriptors._fields) :]
        pid = os.fork()
        if pid == 0:
            self._become(received, shared)
        for number in (received.request, received.stdin, received.output, *shared):
            os.close(number)
        status = socket.socket(fileno=received.status)
        self.children[pid] = status
        self._selector.register(status, selectors.EVENT_READ, lambda: self._kill([pid]))
        return True

    def _reap(self) -> None:
        """Send the exit codes of ended children."""
        for pid, status in [*self.children.items()]:
            ended, how = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._unwatch(pid)
                del self.children[pid]
                _send(status, f"exit {os.waitstatus_to_exitcode(how)}")
                status.close()

    def _kill(self, pids: Iterable[int]) -> bool:
        """Kill the process groups of children whose client is gone."""
        for pid in {*pids} & {*self.children}:  # a reaped number may belong to another process
            for kill in (os.killpg, os.kill):  # the child may not have its own group yet
                with contextlib.suppress(ProcessLookupError):
                    kill(pid, signal.SIGKILL)
            self._unwatch(pid)
        return True

    def _unwatch(self, pid: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(self.children[pid])

    def _become(self, received: Descriptors, shared: list[int]) -> NoReturn:
        """Turn this fork into the process of the command."""
        code = 1
        try:
            os.setsid()
            with socket.socket(fileno=received.status) as status:
                _send(status, f"pid {os.getpid()}")
            gc.enable()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
            self._close()
            for target, number in ((0, received.stdin), (1, received.output), (2, received.output)):
                os.dup2(number, target)
            request = _read(received.request)
            for number in (received.stdin, received.output):
                os.close(number)
            os.environ.clear()
            os.environ.update(request["environment"])
            os.environ.update(dict(zip(request["shared"], map(str, shared), strict=True)))
            os.chdir(request["folder"])
            _name_process(request["command"])
            _reseed()
            code = run_command(request["command"])
        except BaseException:  # noqa: BLE001  (whatever it is, this process must not go on as the server)
            traceback.print_exc()
        finally:
            exit_process(code)

    def _close(self) -> None:
        """Close what belongs to the server: a client hears of an end by its socket having no other holder."""
        self._selector.close()
        for end in (self.control, *self.children.values()):
            end.close()


def _send(status: socket.socket, message: str) -> None:
    with contextlib.suppress(OSError):  # the client has gone, which the loop notices
        status.send(message.encode())


def _read(number: int) -> dict[str, Any]:
    os.lseek(number, 0, os.SEEK_SET)
    with os.fdopen(number, "rb") as file:
        request: dict[str, Any] = json.load(file)
    return request


def _name_process(command: list[str]) -> None:
    """Show in `ps` and `top` what this fork runs: `step tune`, or the script's name."""
    words = command[2:4] if command[0] == "-m" else [Path(command[0]).stem]
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(" ".join(words)[:LONGEST_NAME], encoding="utf-8")


def _reseed() -> None:
    """Forks would share NumPy's global random state; Python's own is seeded anew by itself."""
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()


def run_command(command: list[str]) -> int:
    """Run a module (`-m`, name, arguments) or a script as the interpreter would; returns the exit code."""
    try:
        if command[0] == "-m":
            sys.argv = command[1:]
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = command
            runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        return _code_of(end.code)
    return 0


def _code_of(said: object) -> int:
    if said is None or isinstance(said, int):
        return (said or 0) & 0xFF
    sys.stderr.write(f"{said}\n")
    return 1


def exit_process(code: int) -> NoReturn:
    """Exit as the interpreter does, but without taking modules down one by one, which takes about a second."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  (joins threads, as `multiprocessing` does)
        atexit._run_exitfuncs()  # noqa: SLF001
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def main(arguments: list[str]) -> int:
    """Serve the control socket whose descriptor is the first argument; the others are modules to import."""
    with socket.socket(fileno=int(arguments[0])) as control:
        Server(control).serve(arguments[1:])
    return 0


if __name__ == "__main__":
    exit_process(main(sys.argv[1:]))
