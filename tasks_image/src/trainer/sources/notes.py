"""Notes of what was assumed while a source was read, so that a run's record has them."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_collected: ContextVar[list[str] | None] = ContextVar("notes", default=None)


def note(text: str, level: int = logging.INFO) -> None:
    """Log a note, and add it to the list of the enclosing `collected_notes`; a repeated one is ignored there."""
    found = _collected.get()
    if found is None or text not in found:
        logger.log(level, "%s", text)
    if found is not None and text not in found:
        found.append(text)


@contextmanager
def collected_notes() -> Iterator[list[str]]:
    """Yield a list that fills with the notes taken in the block, in their order."""
    notes: list[str] = []
    token = _collected.set(notes)
    try:
        yield notes
    finally:
        _collected.reset(token)
