"""Ties each step's record to the records that it was made from, so that a stale one is refused.

While a step runs, the SHA-256 of each record that it reads is noted, and its own record keeps them. Whoever reads that
record later finds each of them unchanged, and so on back to the first step, or is refused.
"""

from __future__ import annotations

import contextlib
import json
from contextvars import ContextVar
from hashlib import sha256
from typing import TYPE_CHECKING

from trainer.errors import StepNotDoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_noted: ContextVar[dict[str, str] | None] = ContextVar("noted", default=None)


@contextlib.contextmanager
def noting_records() -> Iterator[dict[str, str]]:
    """Give the records that the block reads: the path of each one's step in the run folder, and its SHA-256."""
    around, noted = _noted.get(), dict[str, str]()
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)
        if around is not None:
            around.update(noted)


def note_record(step: str, text: str, read: Callable[[str], str]) -> None:
    """Note that the running step has read a record; do nothing outside a step.

    `read` gives the text of the record of a step's path, and raises FileNotFoundError. Raises StepNotDoneError if
    anything that the record was made from, directly or not, has changed since.
    """
    noted = _noted.get()
    if noted is None or noted.get(step) == digest_of(text):
        return
    _refuse_stale(step, text, read, noted)
    noted[step] = digest_of(text)


def digest_of(text: str) -> str:
    """The SHA-256 of a record, in hex."""
    return sha256(text.encode()).hexdigest()


def _refuse_stale(step: str, text: str, read: Callable[[str], str], fresh: dict[str, str]) -> None:
    """Follow a record back to the first step; `fresh` are records that were found to be so."""
    for source, digest in json.loads(text).get("made_from", {}).items():
        if fresh.get(source) == digest:
            continue
        try:
            found = read(source)
        except FileNotFoundError:
            found = ""
        if digest_of(found) != digest:
            raise StepNotDoneError(
                f"step {_label(step)!r} has to run again: its record was made from a record of {_label(source)!r} that "
                f"{'is no longer there' if not found else 'has been replaced since'}; clear {_label(step)!r} and what "
                "follows it"
            )
        _refuse_stale(source, found, read, fresh)


def _label(step: str) -> str:
    return step.replace("/", " ")
