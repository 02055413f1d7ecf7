"""What every server of a test needs: a port on loopback, and to be waited for until it answers."""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 300
BELOW_CLIENTS = range(15_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """Return a port on loopback that nothing listens on, another one at each call.

    It lies below those that the kernel gives to clients: a server may start seconds later, and a client of another
    test would have such a port by then.
    """
    while True:
        port = BELOW_CLIENTS.start + secrets.randbelow(len(BELOW_CLIENTS))
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def wait_for(answers: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers; one that has ended, or takes too long, fails the test with its log."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not answers():
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < end, log.read_text(encoding="utf-8")
        time.sleep(0.02)
