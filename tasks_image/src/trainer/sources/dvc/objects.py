"""Objects of a DVC remote in DVC's cache on this machine: each whole, or not there.

DVC's own `DVCFileSystem` was tried in place of this. It checks neither objects nor the lists of folders, reads no
folder from the cache while its remote is away, and leaves behind what a killed process had begun: all that would stay.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigurationError, DataValidationError, OutageError, TrainerError
from trainer.redaction import without_secrets
from trainer.sources.s3.errors import s3_explained

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

AT_ONCE = 4
HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")
STAGING = ".fetching-"
"""How folders in the cache begin in which objects are fetched."""
SECONDS_UNTIL_LEFT = 86_400
"""A folder of a fetch that is older was left by a process that was killed."""
PROTECTED = 0o444
"""As DVC leaves objects in its cache."""


@dataclass(frozen=True)
class Wanted:
    """An object, and what a person knows it by."""

    hash: str
    name: str
    """The file's path in its repository, with the repository and the commit."""


@dataclass(frozen=True)
class Objects:
    """The objects of a remote with one kind of hash, and the cache that they are kept in."""

    cache: Path
    """Where DVC keeps objects of this kind."""
    remote: Any
    """DVC's `Remote`."""
    kind: str
    """DVC's name of the hash."""
    hint: str = ""
    """What else can be the reason for an object that the remote does not have."""

    def address(self, digest: str) -> str:
        """Where the remote has an object."""
        place = self._store.oid_to_path(digest)
        return (
            Path(place).as_uri() if self.remote.fs.protocol == "local" else str(self.remote.fs.unstrip_protocol(place))
        )

    def fetch_all(self, wanted: list[Wanted]) -> list[Path]:
        """The objects in the cache, a few fetched at once; raises as `fetch` does."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="dvc-object") as pool:
            return list(pool.map(self.fetch, wanted))

    def fetch(self, wanted: Wanted) -> Path:
        """The object in the cache, with the hash that it is called by; fetched where it is not there or damaged.

        Raises DataValidationError where the remote does not have it whole, ConfigurationError where the remote refuses
        the login or the cache takes nothing, TrainerError where the remote does not answer.
        """
        if not HASH.fullmatch(wanted.hash):
            raise DataValidationError(
                f"{wanted.name}: {wanted.hash!r} is no hash of DVC's; `dvc add` or `dvc commit` it"
            )
        file = self.cache / wanted.hash[:2] / wanted.hash[2:]
        if file.exists():
            if self._is_whole(file, wanted.hash):
                return file
            logger.warning("%s: damaged in the cache (%s); fetched anew", wanted.name, file)
        with self._staging(file) as staged:
            with self._told(wanted):
                self.remote.fs.get_file(self._store.oid_to_path(wanted.hash), str(staged))
            if not self._is_whole(staged, wanted.hash):
                raise self._damaged(wanted, staged.stat().st_size)
            staged.chmod(PROTECTED)
            staged.replace(file)
        return file

    @property
    def _store(self) -> Any:
        return self.remote.odb if self.kind == "md5" else self.remote.legacy_odb

    def _is_whole(self, file: Path, digest: str) -> bool:
        from dvc_data.hashfile.hash import file_md5

        return str(file_md5(str(file), name=self.kind)) == digest.removesuffix(".dir")

    def _damaged(self, wanted: Wanted, came: int) -> TrainerError:
        """What to raise for bytes that have another hash than they should: the way to here can be the reason."""
        address = self.address(wanted.hash)
        with self._told(wanted):
            size = self.remote.fs.info(self._store.oid_to_path(wanted.hash))["size"]
        if came != size:
            return TrainerError(
                f"{wanted.name}: {came:,} bytes of {address} came, which has {size:,} now; it is fetched anew when the "
                "step is tried again"
            )
        return DataValidationError(
            f"{wanted.name}: {address} is damaged (its {size:,} bytes have another hash than its name says); remove it "
            "there, and `dvc push` it again from a copy that is whole"
        )

    @contextlib.contextmanager
    def _staging(self, file: Path) -> Iterator[Path]:
        """A place on the cache's own file system, so that an object appears there whole, whoever else fetches it."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            remove_left(self.cache)
            folder = tempfile.mkdtemp(prefix=STAGING, dir=self.cache)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise ConfigurationError(
                f"DVC's cache {self.cache} cannot be written ({error.strerror}); XDG_CACHE_HOME names the folder above"
            ) from error
        try:
            yield Path(folder) / "object"
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def _told(self, wanted: Wanted) -> Iterator[None]:
        """What an error of the remote means."""
        address = self.address(wanted.hash)
        try:
            yield
        except FileNotFoundError as error:
            if self.remote.fs.protocol == "local" and not Path(self.remote.path).is_dir():
                raise TrainerError(
                    f"{wanted.name}: the folder {self.remote.path} of the remote {self.remote.name!r} is not there"
                ) from error
            raise DataValidationError(
                f"{wanted.name}: the remote {self.remote.name!r} has no object {address}; whoever committed it has to "
                f"run `dvc push`{self.hint}"
            ) from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise OutageError(f"{wanted.name}: no space left for it in DVC's cache {self.cache}") from error
            raise _meaning(error, address) from error


def remove_left(cache: Path) -> None:
    """Remove what killed processes have left of their fetches."""
    for folder in cache.glob(f"{STAGING}*"):
        with contextlib.suppress(OSError):
            if time.time() - Path(folder).stat().st_mtime > SECONDS_UNTIL_LEFT:
                shutil.rmtree(folder, ignore_errors=True)


def _meaning(error: Exception, address: str) -> TrainerError:
    """What an error of a store means; s3fs puts its own face on those of S3."""
    from botocore.exceptions import BotoCoreError, ClientError

    inner = error.__cause__ if isinstance(error.__cause__, ClientError) else error
    if isinstance(inner, BotoCoreError | ClientError):
        try:
            with s3_explained(address):
                raise inner
        except TrainerError as meaning:
            return meaning
    if isinstance(error, PermissionError):
        return ConfigurationError(f"{address}: the remote does not let this process read it; give it the right to")
    return TrainerError(f"{address}: the remote does not answer: {type(error).__name__}: {without_secrets(str(error))}")
