"""The files that an address names, on this machine: whole, unchanged while they are read, and the ones meant."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import fsspec
from fsspec.implementations.local import LocalFileSystem

from trainer.errors import ConfigurationError, DataValidationError, TrainerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

logger = logging.getLogger(__name__)

STAMPS = ("size", "mtime", "ino", "LastModified", "Last-Modified", "last_modified", "ETag", "etag", "generation")
"""What stores say of a file that changes when the file does."""
HTTP = ("http://", "https://")
HTTP_ABSENT = {404, 410}
"""The answers of a server that mean that there is no such file."""
HIDDEN = (".", "_")
"""How names of files begin that other programs leave beside the data, such as `_SUCCESS`."""

PartitionValue: TypeAlias = str | int | date | None


@dataclass(frozen=True)
class SourceFile:
    """A file of a source on this machine."""

    name: str
    """What a person knows it by: its address."""
    path: Path
    partition: Mapping[str, PartitionValue] = field(default_factory=dict)
    """Columns that the names of its folders hold, and their values in all of its rows."""


@dataclass(frozen=True)
class Stored:
    """A file of a source where it is kept."""

    uri: str
    filesystem: Any
    path: str

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine's own file system."""
        return isinstance(self.filesystem, LocalFileSystem)

    def info(self) -> dict[str, Any]:
        """What the store says of it now; raises as `find_files` does."""
        with files_explained(self.uri):
            self.filesystem.invalidate_cache()
            return dict(self.filesystem.info(self.path))

    def changed_at(self) -> datetime:
        """When it last changed (UTC); one whose server does not say counts as now."""
        with files_explained(self.uri):
            try:
                changed: datetime = self.filesystem.modified(self.path)
            except (NotImplementedError, KeyError):
                logger.warning("%s: its server does not say when it last changed; it counts as fresh", self.uri)
                return datetime.now(UTC)
        return changed if changed.tzinfo else changed.replace(tzinfo=UTC)


def find_files(uri: str, endings: tuple[str, ...]) -> list[Stored]:
    """The files that an address names: one, those of a folder that end so, or those that fit a glob; sorted by name.

    None where nothing is there. Raises ConfigurationError for an address that cannot be understood, DataValidationError
    for a folder without such files, TrainerError where the store does not answer.
    """
    with files_explained(uri):
        filesystem, path = fsspec.core.url_to_fs(uri, use_listings_cache=False)
        info = _info(filesystem, path, uri)
        if info is None:
            globbed = _is_glob(uri) and filesystem.glob(path, detail=True)
            found = sorted(
                name for name, info in (globbed or {}).items() if info["type"] == "file" and not is_hidden(name)
            )
        elif info.get("type") != "directory":
            return [Stored(uri, filesystem, path)]
        else:
            inside = [entry["name"] for entry in filesystem.ls(path, detail=True) if entry["type"] == "file"]
            found = sorted(name for name in inside if name.lower().endswith(endings) and not is_hidden(name))
            if not found:
                raise DataValidationError(
                    f"{uri}: this is a folder, and no file in it ends with {' or '.join(endings)}; name a file, or a "
                    f"glob such as {uri.rstrip('/')}/**/*{endings[0]}"
                )
    return [Stored(filesystem.unstrip_protocol(name) if "://" in uri else name, filesystem, name) for name in found]


@contextlib.contextmanager
def local_files(found: list[Stored], sha256: str | None, scratch: Path) -> Iterator[list[SourceFile]]:
    """The files on this machine for as long as the block lasts; those kept elsewhere are fetched into `scratch`.

    Raises DataValidationError where one is empty or not the one with the SHA-256 given, TrainerError where one cannot
    be fetched, or is another at the end of the block than at its start.
    """
    before = [_stamp(stored.info()) for stored in found]
    files = []
    for number, stored in enumerate(found):
        files.append(_on_this_machine(stored, scratch / f"{number:05d}"))
    for file in files:
        if not file.path.stat().st_size:
            raise DataValidationError(f"{file.name}: the file is empty (0 bytes); fetch or write it again")
    if sha256 is not None:
        refuse_another(files[0], sha256)
    error: Exception | None = None
    try:
        yield files
    except Exception as raised:  # noqa: BLE001  (raised below)
        error = raised  # half-written rows are not a mistake in the data
    for stored, stamp in zip(found, before, strict=True):
        if _stamp(stored.info()) != stamp:
            raise TrainerError(
                f"{stored.uri}: the file changed while it was read, so half of it may be old: it is read anew when the "
                "step is tried again; whoever writes it should write another file and rename it when done"
            ) from error
    if error is not None:
        raise error


def refuse_another(file: SourceFile, sha256: str) -> None:
    """Raise DataValidationError where a file is not the one with that SHA-256."""
    from trainer.tables.parquet import file_digest

    found = file_digest(file.path)
    if found != sha256:
        raise DataValidationError(
            f"{file.name}: the file is not the one that `source.sha256` names: its SHA-256 is {found} "
            f"({file.path.stat().st_size:,} bytes), expected is {sha256}; bring that file back, or name the new one's "
            "checksum"
        )


def _on_this_machine(stored: Stored, target: Path) -> SourceFile:
    if stored.is_local:
        return SourceFile(stored.uri, Path(stored.path))
    with files_explained(stored.uri):
        size = stored.info().get("size")
        stored.filesystem.get_file(stored.path, str(target))
    if size is not None and target.stat().st_size != size:
        raise TrainerError(
            f"{stored.uri}: {target.stat().st_size:,} of {size:,} bytes came; it is fetched anew when the step is "
            "tried again"
        )
    return SourceFile(stored.uri, target)


@contextlib.contextmanager
def files_explained(uri: str) -> Iterator[None]:
    """Says of errors of a store what they mean, by the address."""
    try:
        yield
    except TrainerError:
        raise
    except FileNotFoundError as error:
        if not _is_absent(uri, error):
            raise TrainerError(f"{uri}: cannot be reached: {error.__cause__}") from error
        raise not_found(uri) from error
    except PermissionError as error:
        raise DataValidationError(f"{uri}: cannot be read: {error}; give this process the right to read it") from error
    except (ValueError, ImportError) as error:
        raise ConfigurationError(f"source.uri {uri!r}: {error}") from error
    except OSError as error:
        raise TrainerError(f"{uri}: cannot be reached: {error}") from error


def not_found(uri: str) -> DataValidationError:
    """There is no such file."""
    what = "there is no file that fits" if _is_glob(uri) else "there is no such file"
    return DataValidationError(f"{uri}: {what}; `make data` fetches the published data sets")


def _info(filesystem: Any, path: str, uri: str) -> dict[str, Any] | None:
    """What the store says of an address; None where nothing is there."""
    try:
        return dict(filesystem.info(path))
    except FileNotFoundError as error:
        if not _is_absent(uri, error):
            raise
        return None


def _is_absent(uri: str, error: FileNotFoundError) -> bool:
    """Whether there is no such file, and not only no answer: fsspec's HTTP says "not found" whatever went wrong."""
    if not uri.startswith(HTTP) or error.__cause__ is None:
        return True
    return getattr(error.__cause__, "status", None) in HTTP_ABSENT


def _is_glob(uri: str) -> bool:
    """Whether an address has wildcards; a web address has a question mark before its parameters."""
    return not uri.startswith(HTTP) and any(sign in uri for sign in "*?[")


def is_hidden(name: str) -> bool:
    """Whether a file is called like those that other programs leave beside the data."""
    return name.rpartition("/")[2].startswith(HIDDEN)


def _stamp(info: dict[str, Any]) -> dict[str, Any]:
    return {key: info[key] for key in STAMPS if key in info}
