"""The client of a fork server: launch one, and start processes from it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Self

from trainer.process import fork_server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


LONGEST_MESSAGE = 64


class ForkServerEndedError(ConnectionError):
    """The fork server does not answer any more."""


class ForkServer:
    """The client's end of a fork server, which ends with the last process that holds this end.

    :param control: the connected control socket
    :param process: the server, if this process has launched it
    """

    def __init__(self, control: socket.socket, process: subprocess.Popen[bytes] | None = None) -> None:
        self._control = control
        self._process = process

    @classmethod
    def launch(
        cls, modules: Iterable[str], environment: Mapping[str, str], interpreter: Iterable[str] = (sys.executable,)
    ) -> Self:
        """Start a server that imports the modules; `interpreter` is Python with its options.

        Whoever may look at the server's processes sees its environment: no secret belongs there.
        """
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            process = subprocess.Popen(  # noqa: S603  (our own script)
                [*interpreter, fork_server.__file__, str(its.fileno()), *modules],
                env={**environment, "PYTHONUNBUFFERED": "1"},
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        return cls(ours, process)

    @classmethod
    def inherited(cls, number: int) -> Self:
        """A server whose client's end this process was given as a descriptor. Raises OSError if it is not a socket."""
        control = socket.socket(fileno=number)
        control.set_inheritable(False)
        return cls(control)

    def fileno(self) -> int:
        """The descriptor to hand to another process."""
        return self._control.fileno()

    def close(self) -> None:
        """Release this process's end."""
        self._control.close()

    def wait(self, timeout: float) -> int:
        """The exit code of a server that this process has launched."""
        return 0 if self._process is None else self._process.wait(timeout)

    def start(
        self,
        command: list[str],
        environment: Mapping[str, str],
        folder: str | Path,
        shared: Mapping[str, int] | None = None,
    ) -> ForkedProcess:
        """Start a process in a session of its own. Raises ForkServerEndedError.

        `command` is what would follow the interpreter: `-m` and a module, or a script; `folder` its working directory;
        `shared` further descriptors, by the environment variable that will hold the number of each.
        """
        shared = shared or {}
        request = {"command": command, "environment": {**environment}, "folder": str(folder), "shared": [*shared]}
        with contextlib.ExitStack() as theirs:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            theirs.enter_context(its)
            file = theirs.enter_context(_anonymous_file(request))
            reading, stdin = os.pipe()
            theirs.callback(os.close, reading)
            stdout, writing = os.pipe()
            theirs.callback(os.close, writing)
            started = ForkedProcess(ours, stdin, stdout)
            descriptors = fork_server.Descriptors(its.fileno(), file, reading, writing)
            try:
                socket.send_fds(self._control, [b"r"], [*descriptors, *shared.values()])
            except OSError as error:
                ours.close()
                started.close()
                raise ForkServerEndedError("the fork server has ended") from error
        started.listen()
        return started


class ForkedProcess:
    """A process that a fork server has started for this one: the part of `subprocess.Popen` that is needed here.

    Its standard input is a pipe that stays open as long as this process lives, and `stdout` is its output and errors.
    """

    def __init__(self, status: socket.socket, stdin: int, stdout: int) -> None:
        self._status = status
        self._ended = threading.Event()
        self._code = -int(signal.SIGKILL)
        self._stdin = os.fdopen(stdin, "wb")
        self.stdout = os.fdopen(stdout, "r", encoding="utf-8", errors="replace")
        self.pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the pipes and wait for the end, as `subprocess.Popen` does."""
        self.close()
        self.wait()

    def listen(self) -> None:
        """Wait until the server has started the process; an interruption of that ends what it starts."""
        with contextlib.ExitStack() as unless_started:
            unless_started.callback(self.close)
            unless_started.callback(self._status.close)
            word, _, number = self._status.recv(LONGEST_MESSAGE).decode().partition(" ")
            if word != "pid":
                raise ForkServerEndedError("the fork server has ended")
            unless_started.pop_all()
        self.pid = int(number)
        threading.Thread(target=self._wait_for_code, name=f"exit-code-of-{self.pid}", daemon=True).start()

    def close(self) -> None:
        """Close the pipes."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        self.stdout.close()

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative for a signal; raises subprocess.TimeoutExpired after so many seconds."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return self._code

    def _wait_for_code(self) -> None:
        """A server that ends without sending the code was killed: its child is killed too, as its client would be."""
        with self._status:
            word, _, number = self._status.recv(LONGEST_MESSAGE).decode().partition(" ")
        if word == "exit":
            self._code = int(number)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._ended.set()


@contextlib.contextmanager
def _anonymous_file(content: Any) -> Iterator[int]:
    """The descriptor of a file in memory that has no name: its content may be secret."""
    number = os.memfd_create("request")
    try:
        with os.fdopen(os.dup(number), "w", encoding="utf-8") as file:
            json.dump(content, file)
        yield number
    finally:
        os.close(number)
