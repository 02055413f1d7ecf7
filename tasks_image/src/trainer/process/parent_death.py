"""Processes that end with the one that has started them."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading

VARIABLE = "TRAINER_STOP_WITH_PARENT"
"""Set by a parent that holds this process's standard input open for as long as it lives."""


def stop_with_parent() -> None:
    """If the parent asks for it, kill this process group once the parent is gone, even by SIGKILL."""
    if os.environ.pop(VARIABLE, ""):
        threading.Thread(target=_wait_for_end_of_input, name="stop-with-parent", daemon=True).start()


def _wait_for_end_of_input() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def die_with(pid: int) -> None:
    """Kill this process once another one has ended, even by SIGKILL (Linux's pidfd_open)."""
    try:
        other = os.pidfd_open(pid)
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Thread(target=_wait_for_end_of, args=(other,), name="die-with", daemon=True).start()


def _wait_for_end_of(other: int) -> None:
    waiting = select.poll()
    waiting.register(other, select.POLLIN)
    waiting.poll()
    os.kill(os.getpid(), signal.SIGKILL)
