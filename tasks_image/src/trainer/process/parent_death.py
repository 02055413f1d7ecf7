"""Processes that end with the one that has started them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

VARIABLE = "TRAINER_STOP_WITH_PARENT"
"""Set by a parent that holds this process's standard input open for as long as it lives."""
PR_SET_PDEATHSIG = 1


def stop_with_parent() -> None:
    """If the parent asks for it, kill this process group once the parent is gone, even by SIGKILL."""
    if os.environ.pop(VARIABLE, ""):
        threading.Thread(target=_wait_for_end_of_input, name="stop-with-parent", daemon=True).start()


def _wait_for_end_of_input() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def die_with_parent() -> None:
    """Have Linux kill this process once its parent is gone, even by SIGKILL (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
