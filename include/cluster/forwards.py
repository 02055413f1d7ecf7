"""Ports of this machine that lead to servers in the cluster: kubectl's port-forward, as processes that go on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from include.cluster.passwords import SERVERS
from include.cluster.programs import last_line
from include.stack.docker import StackError
from include.stack.env_keys import mistake_of_port

if TYPE_CHECKING:
    from include.cluster.programs import Programs

LOOPBACK = "127.0.0.1"
PORTS = {"mlflow": 5000, "s3": 8333}
"""By Service, the port that it listens on."""
VARIABLES = {"mlflow": "MLFLOW_PORT", "s3": "S3_PORT"}
SECONDS_TO_LISTEN = 30
BETWEEN_LOOKS = 0.2
STARTED: dict[int, subprocess.Popen[bytes]] = {}
"""Those of this process, by their number: they are to outlive it, and are waited for only if it ends them itself."""


def read_ports(given: dict[str, str]) -> dict[str, int]:
    """Return the port of each Service as a number. Raises StackError, with one line per mistake."""
    wrong = [
        f"{VARIABLES[name]}: {said}, found {value!r}"
        for name, value in given.items()
        if (said := mistake_of_port(value))
    ]
    if not wrong and len({*given.values()}) < len(given):
        wrong = [f"{' and '.join(VARIABLES[name] for name in given)} are one number; give each its own"]
    if wrong:
        raise StackError("\n".join(wrong))
    return {name: int(value) for name, value in given.items()}


def check_ports(programs: Programs, ports: dict[str, int]) -> None:
    """Raise StackError, with one line per port that something else than a forward of ours listens on."""
    ours = _running(programs)
    taken = [name for name, port in ports.items() if ours.get(name, (0, 0))[1] != port and is_listening(port)]
    lines = [
        (
            f"port {ports[name]} of {LOOPBACK} is taken; end what listens there, or choose another: "
            f"make cluster-up {VARIABLES[name]}={ports[name] + 1}"
        )
        for name in taken
    ]
    if lines:
        raise StackError("\n".join(lines))


def forward(programs: Programs, ports: dict[str, int]) -> None:
    """Start what is not forwarded yet, and wait until it listens. Raises StackError."""
    end_forwards(programs)  # one whose pod was replaced still listens, and leads nowhere
    started = {name: (_start(programs, name, port), port) for name, port in ports.items()}
    _file(programs).write_text(json.dumps({name: [one.pid, port] for name, (one, port) in started.items()}))
    deadline = time.monotonic() + SECONDS_TO_LISTEN
    for name, (process, port) in started.items():
        while not is_listening(port):
            if process.poll() is not None or time.monotonic() > deadline:
                said = last_line(_log(programs, name).read_text())
                end_forwards(programs)
                raise StackError(
                    f"port {port} does not lead to {name} in the cluster: {said}; run make cluster-up again"
                )
            time.sleep(BETWEEN_LOOKS)


def end_forwards(programs: Programs) -> None:
    """End the forwards of an earlier call."""
    for process, port in _running(programs).values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
        if process in STARTED:
            STARTED.pop(process).wait(SECONDS_TO_LISTEN)
        deadline = time.monotonic() + SECONDS_TO_LISTEN
        while is_listening(port) and time.monotonic() < deadline:
            time.sleep(BETWEEN_LOOKS)
    for process in [number for number, child in STARTED.items() if child.poll() is not None]:
        del STARTED[process]
    _file(programs).unlink(missing_ok=True)


def is_listening(port: int) -> bool:
    """Return if a connection to this port of loopback is taken."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _start(programs: Programs, name: str, port: int) -> subprocess.Popen[bytes]:
    command = programs.kubectl_command(
        "--namespace", SERVERS, "port-forward", f"--address={LOOPBACK}", f"service/{name}", f"{port}:{PORTS[name]}"
    )
    with _log(programs, name).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    STARTED[process.pid] = process
    return process


def _running(programs: Programs) -> dict[str, tuple[int, int]]:
    """Return process and port of each forward that still runs; another process may have got its number meanwhile."""
    try:
        noted = json.loads(_file(programs).read_text())
    except (OSError, ValueError):
        return {}
    return {name: (pid, port) for name, (pid, port) in noted.items() if _is_forward(pid)}


def _is_forward(pid: int) -> bool:
    try:
        return b"port-forward" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _file(programs: Programs) -> Path:
    return programs.state / "forwards.json"


def _log(programs: Programs, name: str) -> Path:
    return programs.state / f"forward-{name}.log"
