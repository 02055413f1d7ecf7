"""Waiting for what native code does, so that a signal is heard meanwhile."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def heard(cancel: Callable[[], Any]) -> Iterator[Callable[..., Any]]:
    """A function that calls another, with its arguments, in a thread, and waits for what that returns.

    Python handles signals in the main thread between two instructions, and so never during a long call into native
    code. Where a signal ends the waiting, `cancel` makes the other come back.

    >>> with heard(lambda: None) as wait:
    ...     wait(max, 1, 2)
    2
    """
    with ThreadPoolExecutor(1, thread_name_prefix="heard") as pool:

        def wait(call: Callable[..., Any], *arguments: Any) -> Any:
            result = pool.submit(call, *arguments)
            try:
                return result.result()
            finally:
                if not result.done():
                    cancel()

        yield wait
