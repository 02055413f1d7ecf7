"""A container's output as a cluster hands it over: which of its lines have been read before."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Stamp = tuple[int, int]
"""Seconds since 1970, and nanoseconds."""
Position = tuple[int, int, int]
"""The stamp of the last line that has been read, and how many lines of that stamp have been: clocks can be coarse."""

START: Position = (-1, 0, 0)

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)(?: |$)")


class ReadLines:
    """Remembers how far the output has been read, by the clock of the node: a further reading begins before that."""

    def __init__(self, position: Position = START) -> None:
        self.position = position

    def unread(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Those that have not been read before. A line begins with its time, or belongs to the one before."""
        until, left = self.position[:2], self.position[2]
        known = False
        for line in lines:
            stamp = stamp_of(line)
            if stamp is not None:
                known = stamp < until or (stamp == until and left > 0)
                left -= stamp == until
            if known:
                continue
            if stamp is not None:
                self._count(stamp)
            yield line

    def _count(self, stamp: Stamp) -> None:
        last, lines = self.position[:2], self.position[2]
        if stamp >= last:
            self.position = (*stamp, lines + 1 if stamp == last else 1)


def stamp_of(line: bytes) -> Stamp | None:
    """When a line was written; None for the continuation of another. Fractions may have fewer digits than nine."""
    found = _STAMP.match(line)
    if found is None:
        return None
    second = datetime.fromisoformat((found[1] + found[3]).decode()).astimezone(UTC)
    return int(second.timestamp()), int((found[2] or b"0").ljust(9, b"0"))
