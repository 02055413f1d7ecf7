"""What a container has written, line by line, each with its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.kubernetes.times import nano


@dataclass(frozen=True)
class Reading:
    """What a client asks of a log."""

    follow: bool = False
    timestamps: bool = False
    since: int = 0
    """Nanoseconds since the epoch."""
    tail: int | None = None
    limit_bytes: int | None = None


@dataclass
class Log:
    """Filled by the container, read by any number of clients."""

    lines: list[tuple[int, bytes]] = field(default_factory=list)
    ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def write(self, line: bytes) -> None:
        with self.changed:
            last = self.lines[-1][0] if self.lines else 0
            self.lines.append((max(time.time_ns(), last), line))
            self.changed.notify_all()

    def end(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def text(self) -> str:
        return b"\n".join(line for _, line in self.lines).decode(errors="replace")

    def read(self, asked: Reading) -> Iterator[bytes | None]:
        """The lines; None now and then while it is followed and nothing comes, so that the caller can look around."""
        left = asked.limit_bytes
        for line in self._lines(asked):
            if line is None or left is None:
                yield line
                continue
            yield line[:left]
            left -= len(line)
            if left <= 0:
                return

    def _lines(self, asked: Reading) -> Iterator[bytes | None]:
        with self.changed:
            at = next((index for index, (when, _) in enumerate(self.lines) if when >= asked.since), len(self.lines))
            if asked.tail is not None:
                at = max(at, len(self.lines) - asked.tail)
        while True:
            with self.changed:
                found, ended = self.lines[at:], self.ended
                if not found and asked.follow and not ended:
                    self.changed.wait(0.2)
            for when, line in found:
                yield (nano(when).encode() + b" " if asked.timestamps else b"") + line + b"\n"
            at += len(found)
            if not found and (ended or not asked.follow):
                return
            if not found:
                yield None
