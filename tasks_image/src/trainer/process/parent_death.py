"""A step started by a local scheduler ends with it."""

from __future__ import annotations

import os
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
