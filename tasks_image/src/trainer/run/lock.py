"""A lock in an object store or on a file system: one holder at a time, and none for ever.

It is a folder of numbered leases, of which the highest counts. Whoever finds it released or expired creates the next
number, which the store lets exactly one process do; the highest is never removed, so no number is given twice.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from trainer.errors import OutageError
from trainer.run.folder import make_private

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.run.folder import RunFolder

logger = logging.getLogger(__name__)

LEASE_SECONDS = 300.0
"""How long a holder that was killed keeps others waiting; more than a promotion takes."""
POLL_SECONDS = 0.2


class Lease(BaseModel, frozen=True):
    """Who holds the lock, and until when."""

    owner: str
    until: float
    """Seconds since 1970; 0: it was released."""
    token: str = ""
    """Tells apart two tries of one owner."""

    def is_open(self, owner: str) -> bool:
        """Return whether an owner may take over: the lease was released, has expired, or is of its earlier try."""
        return self.owner == owner or self.until < time.time()


class HeldLock:
    """A lock that this process holds."""

    def __init__(self, folder: RunFolder, number: int, lease: Lease) -> None:
        self._folder = folder
        self._number = number
        self._lease = lease

    def check(self) -> None:
        """Raise OutageError if the lease has expired or was taken over: another process may hold the lock now."""
        number, _ = _newest(self._folder)
        if number != self._number or time.time() > self._lease.until:
            raise OutageError(
                f"the lock {self._folder.uri} was held for longer than {LEASE_SECONDS:g} s, and another run may have "
                "it now; nothing further moves. Clear the task to try again"
            )

    def release(self) -> None:
        """Let others take the lock, and remove the leases before this one; one that was taken over is left alone."""
        if _newest(self._folder)[0] != self._number:
            return
        self._folder.write_text(_name(self._number), self._lease.model_copy(update={"until": 0.0}).model_dump_json())
        for number in _numbers(self._folder):
            if number < self._number:
                with contextlib.suppress(FileNotFoundError):
                    self._folder.filesystem.rm_file(self._folder.path(_name(number)))


@contextlib.contextmanager
def locked(folder: RunFolder, owner: str) -> Iterator[HeldLock]:
    """Hold the lock of a folder while the block runs, waiting for whoever holds it now.

    Raises OutageError if it cannot be had within the time after which any lease has expired.
    """
    held = _acquire(folder, owner)
    try:
        yield held
    finally:
        held.release()


def _acquire(folder: RunFolder, owner: str) -> HeldLock:
    give_up = time.monotonic() + 2 * LEASE_SECONDS
    waits_for = ""
    while time.monotonic() < give_up:
        number, current = _newest(folder)
        if current is None or current.is_open(owner):
            lease = Lease(owner=owner, until=time.time() + LEASE_SECONDS, token=uuid.uuid4().hex)
            # A number that was used and removed could be created again: then there is a higher one.
            if _create(folder, _name(number + 1), lease.model_dump_json()) and _newest(folder) == (number + 1, lease):
                return HeldLock(folder, number + 1, lease)
        elif current.owner != waits_for:
            waits_for = current.owner
            logger.warning("waiting for %s, which holds the lock %s", waits_for, folder.uri)
        time.sleep(POLL_SECONDS)
    raise OutageError(f"the lock {folder.uri} was not to be had in {2 * LEASE_SECONDS:g} s; {waits_for} holds it")


def _newest(folder: RunFolder) -> tuple[int, Lease | None]:
    """The highest number and its lease; one that its holder removes meanwhile is looked for again."""
    while numbers := _numbers(folder):
        name = _name(max(numbers))
        with contextlib.suppress(FileNotFoundError):
            return max(numbers), _lease(folder, name, folder.read_text(name))
    return 0, None


def _lease(folder: RunFolder, name: str, text: str) -> Lease:
    """The lease in a file. Raises OutageError where it holds none: it is not known whether somebody has the lock."""
    try:
        return Lease.model_validate_json(text)
    except ValidationError as error:
        raise OutageError(
            f"the lock {folder.uri_of(name)} cannot be read ({len(text)} characters, expected a lease in JSON): "
            "nothing moves. Make sure that no other run is promoting, remove this file, and clear the task"
        ) from error


def _numbers(folder: RunFolder) -> list[int]:
    try:
        found = folder.filesystem.ls(folder.root, detail=False, refresh=True)
    except FileNotFoundError:
        return []
    names = [Path(str(path)).stem for path in found if str(path).endswith(".json")]
    return [int(name) for name in names if name.isdigit()]


def _name(number: int) -> str:
    return f"{number:08d}.json"


def _create(folder: RunFolder, name: str, text: str) -> bool:
    """Create a file with its whole content, unless it exists; returns whether it was created."""
    target = folder.path(name)
    try:
        if not folder.is_local:
            folder.filesystem.pipe_file(target, text.encode(), mode="create")
            return True
        make_private(Path(folder.root))
        with tempfile.NamedTemporaryFile(dir=folder.root, prefix=".tmp-") as scratch:
            scratch.write(text.encode())
            scratch.flush()
            os.link(scratch.name, target)  # unlike a rename, it fails if the target exists
    except FileExistsError:
        return False
    except OSError as error:
        if "ConditionalRequestConflict" in str(error):  # S3: another process is creating it
            return False
        raise
    return True
