"""What this process is working on: pipeline, run, step and algorithm, for its log records."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_current: dict[str, Any] = {}
"""Of the process, not of a thread: what a step hands to threads of its own belongs to it too."""


def note(**fields: Any) -> None:
    """Say what is being worked on; fields not given stay."""
    _current.update(fields)


@contextlib.contextmanager
def noted(**fields: Any) -> Iterator[None]:
    """Say so for as long as the block lasts.

    >>> with noted(step="train", algorithm=""):
    ...     current()
    {'step': 'train'}
    """
    before = dict(_current)
    note(**fields)
    try:
        yield
    finally:
        _current.clear()
        _current.update(before)


def current() -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in _current.items() if value not in {None, ""}}
