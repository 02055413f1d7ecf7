"""An end by SIGTERM: within seconds, with exit code 143, and what had to be said before is said."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

logger = logging.getLogger(__name__)

ENDED = 128 + signal.SIGTERM
"""The exit code by which containers and shells name SIGTERM."""
SECONDS_TO_COME_BACK = 1.5
"""After so long the main thread counts as caught in native code, where no Python runs, and others speak for it."""
SECONDS_TO_END = 3.0
"""After so long the process ends wherever it is; who has sent the signal waits longer."""
RESOURCE_TRACKER = "resource_tracker"
"""joblib's helper that removes shared memory once all others are gone; it ends by itself."""

_last_words: list[Callable[[], None]] = []
_speaking = threading.RLock()
_announcing = threading.Lock()
_state = {"ended": False, "announced": False, "wakeup": -1}


@contextlib.contextmanager
def ends_on_sigterm() -> Iterator[None]:
    """While the block runs, SIGTERM raises SystemExit(143) in it; where that is not heard, the process ends anyway.

    A process that is the first of its container gets no signal that it does not handle. Python's handlers run in the
    main thread between two instructions, which a long call into native code keeps from coming: so a thread is woken
    by the signal as well. Does nothing outside the main thread, where Python takes no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    import psutil  # noqa: F401  (at the end the import lock may be held)

    _reset_in_forks()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    threading.Thread(target=_watch, args=(reading,), name="end-on-sigterm", daemon=True).start()
    handler = signal.signal(signal.SIGTERM, _raise_end)
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _state["wakeup"] = writing
    try:
        yield
    finally:
        if _state["ended"]:
            _announce()  # a block that ends at once is faster than the thread
            _end_children()  # the handler stays: a second signal must not change how this ends
        else:
            signal.set_wakeup_fd(wakeup)
            signal.signal(signal.SIGTERM, handler)
            _state["wakeup"] = -1
            os.close(writing)  # which ends the thread


@contextlib.contextmanager
def last_words(speak: Callable[[], None]) -> Iterator[None]:
    """Where SIGTERM ends the block, call `speak` once: here, or where the block does not hear of it, from a thread.

    What `speak` raises is logged. It has to be quick: the end does not wait for it.
    """
    with _speaking:
        _last_words.append(speak)
    try:
        with end_outranks_errors():
            yield
    except SystemExit as error:
        if error.code == ENDED:
            _speak(speak)
        raise
    finally:
        with _speaking:
            if speak in _last_words:
                _last_words.remove(speak)


@contextlib.contextmanager
def end_outranks_errors() -> Iterator[None]:
    """Once SIGTERM has come, an error of the block ends it as SIGTERM does.

    It is most often SIGTERM's own: a library was hit between two instructions, and what it cleans up fails.
    """
    try:
        yield
    except Exception as error:
        if not _state["ended"]:
            raise
        raise SystemExit(ENDED) from error


def _raise_end(_signal: int, _frame: FrameType | None) -> None:
    if not _state["ended"]:
        _state["ended"] = True
        raise SystemExit(ENDED)


def _watch(reading: int) -> None:
    """Wait for SIGTERM, or for the pipe to be closed; signals are told as one byte each."""
    with os.fdopen(reading, "rb", buffering=0) as signals:
        while told := signals.read(1):
            if told[0] == signal.SIGTERM:
                _end_in_time()


def _end_in_time() -> NoReturn:
    """Nothing here waits for another thread: locks may be held, and a log that nobody reads takes no line."""
    threading.Thread(target=_speak_for_main, name="last-words", daemon=True).start()
    time.sleep(SECONDS_TO_END)
    _end_children()
    os._exit(ENDED)


def _announce() -> None:
    with _announcing:
        if not _state["announced"]:
            _state["announced"] = True
            logger.warning(
                "SIGTERM: ending within %g seconds; what is finished stays, and the next try goes on", SECONDS_TO_END
            )


def _speak_for_main() -> None:
    _announce()
    time.sleep(SECONDS_TO_COME_BACK)
    for speak in [*reversed(_last_words)]:
        _speak(speak)


def _speak(speak: Callable[[], None]) -> None:
    with _speaking:
        if speak not in _last_words:
            return
        _last_words.remove(speak)
        try:
            speak()
        except Exception as error:  # noqa: BLE001  (the end comes all the same)
            logger.warning("on the way out: %s: %s", type(error).__name__, error)


@functools.cache
def _reset_in_forks() -> None:
    """A fork has the handler and the pipe too, and a signal to it would end this process."""
    os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    if _state["wakeup"] != -1:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_children() -> None:
    """Kill all descendants; loky's workers would finish their task first, and some are in a session of their own."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if not any(RESOURCE_TRACKER in part for part in child.cmdline()):
                child.kill()
