"""A container's process: isolated where this machine allows it, else a plain child with its paths rewritten.

Isolated means mount, IPC and process namespaces: the image is this machine's file system with changes in memory (read-only
where the container says so), volumes are mounted over it, the process is number 1 as in a real container, has the image's
user and no rights. That takes root on Linux with overlayfs. Elsewhere the process runs as the test's own user and sees this
machine as it is: where a mountPath begins a value of a variable or an argument, the volume's folder takes its place.
Either way there is no network of its own, and no limit on CPU; memory is watched by the kubelet.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.kubernetes.launcher import GIVEN, SAID
from tests.kubernetes.logs import Log
from trainer.process.forked import ForkedProcess, ForkServer

LAUNCHER = Path(__file__).with_name("launcher.py")
SECONDS_FOR_THE_REST = 5.0
BETWEEN_LOOKS = 0.03
PROJECT = Path(__file__).resolve().parents[2]
STEP = ["python", "-m", "trainer"]
forks: Callable[[], ForkServer] | None = None
"""The fork server that has the libraries of steps, where there is one: a container whose command is a step is its fork."""


class NotStartedError(Exception):
    """The command could not be executed."""


@dataclass(frozen=True)
class Asked:
    """What a container is started with."""

    command: Sequence[str]
    env: Mapping[str, str]
    user: int = 0
    passwd: bool = False
    """Whether the user has an entry in /etc/passwd."""
    directory: str = "/"
    read_only: bool = False
    volumes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By mountPath: `path` and `read_only`, or `bytes` for one in memory."""
    shared: Sequence[str] = ()
    hosts: Sequence[str] = ()
    """Names that stand for this machine's loopback."""


class Process:
    """A container's process and all that it starts."""

    def __init__(self, asked: Asked, log: Log, folder: Path, *, isolated: bool) -> None:
        """Raises NotStartedError."""
        self.log = log
        self._ended: int | None = None
        self._silent = threading.Event()
        """Set once nothing more can be written, which is when it ends or shortly before."""
        self._said: Any = None
        self._child = self._isolated(asked, folder) if isolated else self._plain(asked)
        self._output: Any = getattr(self._child.stdout, "buffer", self._child.stdout)
        self.pid = self._its_pid()
        self._reader = threading.Thread(target=self._read, name="container-log", daemon=True)
        self._reader.start()

    def exit_code(self, seconds: float) -> int | None:
        """The exit code, 128 + the signal where one ended it; None where it still runs after so many seconds."""
        if self._ended is None:
            quiet = (
                seconds if self._silent.wait(seconds) else 0.0
            )  # asking the system often would cost the tests a core
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._child.wait(quiet)
                self._ended = self._exit_said() if self._said else (128 - code if code < 0 else code)
                self._clean()
        return self._ended

    def signal(self, number: int) -> None:
        """Send a signal to the container's first process, as a kubelet does."""
        if self._ended is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def memory(self) -> int:
        """Bytes in use, of all processes; of what forks share, each counts its part."""
        total = 0
        with contextlib.suppress(psutil.Error):
            first = psutil.Process(self.pid)
            for one in (first, *first.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    total += one.memory_full_info().pss
        return total

    def _isolated(self, asked: Asked, folder: Path) -> subprocess.Popen[bytes] | ForkedProcess:
        stage = Path(tempfile.mkdtemp(prefix="stage-", dir=folder))
        given, give = os.pipe()
        says, say = os.pipe()
        forked = forks is not None and list(asked.command[: len(STEP)]) == STEP
        child = self._forked(given, say) if forked else self._launched(asked, given, say)
        os.close(given)
        os.close(say)
        self._said = os.fdopen(says)
        with os.fdopen(give, "w", encoding="utf-8") as file:
            json.dump({**_as_json(asked, stage), "forked": forked}, file)
        return child

    def _launched(self, asked: Asked, given: int, say: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", "-B", str(LAUNCHER), str(given), str(say)]
        return self._popen(command, asked.env, pass_fds=(given, say))

    @staticmethod
    def _forked(given: int, say: int) -> ForkedProcess:
        assert forks is not None
        return forks().start([str(LAUNCHER)], {}, "/", {GIVEN: given, SAID: say})

    def _plain(self, asked: Asked) -> subprocess.Popen[bytes]:
        command, env = _rewritten(asked)
        try:
            return self._popen(command, env, start_new_session=True)
        except OSError as error:
            raise NotStartedError(str(error)) from error

    @staticmethod
    def _popen(command: Sequence[str], env: Mapping[str, str], **more: Any) -> subprocess.Popen[bytes]:
        null, pipe, same = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
        return subprocess.Popen(command, env=dict(env), stdin=null, stdout=pipe, stderr=same, **more)

    def _its_pid(self) -> int:
        if self._said is None:
            return self._child.pid
        first = json.loads(self._said.readline() or '{"error": "the launcher did not start"}')
        if "pid" in first:
            return int(first["pid"])
        self._child.wait()
        why = self._output.read().decode(errors="replace")
        self._close()
        raise NotStartedError(f"{first['error']} {why}".strip())

    def _exit_said(self) -> int:
        line = self._said.readline()
        return int(json.loads(line)["exit"]) if line else 128 + signal.SIGKILL

    def _read(self) -> None:
        for line in self._output:
            self.log.write(line.rstrip(b"\n"))
        self._silent.set()

    def _clean(self) -> None:
        """End what the first process has left behind; in a process namespace the kernel has done that."""
        if self._said is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
        self._reader.join(SECONDS_FOR_THE_REST)
        if not self._reader.is_alive():  # else something that has left the process group holds the stream open
            self._close()
        self.log.end()

    def _close(self) -> None:
        own = self._child if isinstance(self._child, ForkedProcess) else self._output
        for stream in (own, self._said):
            if stream is not None:
                stream.close()


def stop(processes: Sequence[Process], grace: Callable[[], float]) -> None:
    """SIGTERM, and SIGKILL to what is left once the grace is over, which may get shorter meanwhile."""
    begun = time.monotonic()
    for one in processes if grace() > 0 else ():
        one.signal(signal.SIGTERM)
    while time.monotonic() - begun < grace() and any(one.exit_code(0) is None for one in processes):
        time.sleep(BETWEEN_LOOKS)
    for one in processes:
        one.signal(signal.SIGKILL)
        one.exit_code(SECONDS_FOR_THE_REST)


@functools.cache
def can_isolate() -> bool:
    """Whether this machine allows containers a file system and processes of their own."""
    if os.name != "posix" or os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory(prefix="kubernetes-") as folder:
        try:
            process = Process(Asked(["true"], {"PATH": os.defpath}, read_only=True), Log(), Path(folder), isolated=True)
        except (NotStartedError, OSError):
            return False
        return process.exit_code(10) == 0


def _as_json(asked: Asked, stage: Path) -> dict[str, Any]:
    return {
        "command": list(asked.command), "env": dict(asked.env), "user": asked.user, "passwd": asked.passwd, "directory": asked.directory,
        "read_only": asked.read_only, "hosts": list(asked.hosts), "volumes": sorted(asked.volumes.items()),
        "shared": [*asked.shared, *_hidden_programs(asked.volumes)],
        "stage": str(stage), "passable": _private_folders(), "machine": _other_mounts(),
    }  # fmt: skip


@functools.cache
def _private_folders() -> list[str]:
    """Folders on the way to the interpreter and to this checkout that only root may pass."""
    ways = {Path(sys.executable), Path(sys.executable).resolve(), PROJECT}
    folders = {folder for way in ways for folder in (way, *way.parents) if folder.is_dir()}
    return sorted(str(folder) for folder in folders if not folder.stat().st_mode & 0o001)


def _hidden_programs(volumes: Iterable[str]) -> list[str]:
    """The interpreter's folder and this checkout, where a volume would cover them: they are the image, wherever they lie."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), PROJECT}
    return sorted(str(folder) for folder in folders if any(folder.is_relative_to(target) for target in volumes))


@functools.cache
def _other_mounts() -> list[str]:
    """Where the interpreter and this checkout lie, if that is on other file systems than the root."""
    ways = (Path(sys.executable), Path(sys.executable).resolve(), PROJECT)
    found = {next(folder for folder in (way, *way.parents) if folder.is_mount()) for way in ways}
    return sorted(str(folder) for folder in found if folder != Path("/"))


def _rewritten(asked: Asked) -> tuple[list[str], dict[str, str]]:
    """Command and variables with the volumes' folders in place of their mount paths."""
    folders = {target: str(source["path"]) for target, source in asked.volumes.items() if "path" in source}

    def moved(text: str) -> str:
        for target, folder in sorted(folders.items(), reverse=True):
            if text == target or text.startswith(f"{target}/"):
                return folder + text[len(target) :]
        return text

    return [moved(text) for text in asked.command], {name: moved(value) for name, value in asked.env.items()}
