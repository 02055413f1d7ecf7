"""The units that were answered in an experiment: noted in a file at once, and in the database in batches."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from trainer.errors import ConfigurationError, TrainerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

JOURNAL, BATCH = "exposures.jsonl", "exposures-{:020d}.batch"
BETWEEN_BATCHES = 1.0
"""Seconds."""
LONGEST_UNIT = 256
"""Characters of a unit's id."""
MOST_REMEMBERED = 1_000_000
"""Units that are not noted again; of a unit that is, the first exposure stays."""


class Exposure(NamedTuple):
    """The first time that a unit was answered in an experiment."""

    experiment: str
    unit: str
    arm: str
    """`a` or `b`."""
    first_at: float
    """Seconds since 1970."""


if TYPE_CHECKING:
    Keep = Callable[[Sequence[Exposure]], None]
    """Raises OutageError if the database does not answer."""


class Exposures:
    """Notes the units of experiments of one router.

    A unit's line is written when it is first answered, so a process that is killed loses none. Files of earlier
    processes are brought into the database too.
    """

    def __init__(self, folder: Path, keep: Keep | None) -> None:
        """Note into a folder; `keep` brings a batch into the database, and None means that there is none."""
        self.folder, self.keep = folder, keep
        self._seen: set[tuple[str, str]] = set()
        self._file: int | None = None
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def are_left(self) -> bool:
        """True if an earlier process has noted units that may not be in the database."""
        return (self.folder / JOURNAL).exists() or any(self.folder.glob(BATCH.replace("{:020d}", "*")))

    def note(self, experiment: str, unit: str, arm: str) -> None:
        """Note that a unit was answered, unless it is known."""
        if (experiment, unit) in self._seen:
            return
        if len(self._seen) >= MOST_REMEMBERED:
            self._seen.clear()
        line = json.dumps([experiment, unit, arm, time.time()]) + "\n"
        try:
            if self._file is None:
                self._file = os.open(self.folder / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            if os.write(self._file, line.encode()) == len(line):  # JSON is ASCII
                self._seen.add((experiment, unit))
            else:
                os.write(self._file, b"\n")  # a full disk; this line ends, and the unit is noted anew
        except OSError:
            logger.exception("unit %r of experiment %s cannot be noted", unit, experiment)

    def start(self) -> None:
        """Begin to write batches; what earlier processes have noted is the first one."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_flushing())

    async def close(self) -> None:
        """Write the last batch; if the database does not answer, its file stays for the next start."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        try:
            await self.flush()
        except TrainerError as error:
            logger.error("units of experiments are not in the database yet: %s", error)  # noqa: TRY400  (a message)

    async def flush(self) -> None:
        """Bring all that was noted into the database. Raises OutageError if it does not answer."""
        async with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None
            if (journal := self.folder / JOURNAL).exists():
                journal.rename(self.folder / BATCH.format(time.time_ns()))
            batches = sorted(self.folder.glob(BATCH.replace("{:020d}", "*")))
            if batches:
                await asyncio.to_thread(self._store, batches)

    async def _keep_flushing(self) -> None:
        while True:
            try:
                await self.flush()
            except TrainerError as error:
                logger.error("units of experiments are not in the database yet: %s", error)  # noqa: TRY400  (a message)
            except Exception:
                logger.exception("units of experiments are not in the database yet")
            await asyncio.sleep(BETWEEN_BATCHES)

    def _store(self, batches: list[Path]) -> None:
        if self.keep is None:
            raise ConfigurationError(
                f"{self.folder} holds units of experiments, and the router has no database for them"
            )
        for batch in batches:
            self.keep(list(_read(batch)))
            batch.unlink()


def _read(batch: Path) -> Iterator[Exposure]:
    for number, line in enumerate(batch.read_text(encoding="utf-8").splitlines(), 1):
        try:
            yield Exposure(*json.loads(line))
        except (ValueError, TypeError):
            logger.warning("%s, line %d is torn: a disk was full, and its unit was noted anew", batch.name, number)
