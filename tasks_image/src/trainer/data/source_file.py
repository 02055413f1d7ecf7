"""A source's file as bytes: whole, unchanged while it was read, and the one that was meant."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from typing import Any

import fsspec

from trainer.data.sources import is_absent, refuse_folder
from trainer.errors import ConfigurationError, DataValidationError, TrainerError

logger = logging.getLogger(__name__)

STAMPS = ("size", "mtime", "ino", "LastModified", "Last-Modified", "last_modified", "ETag", "etag", "generation")
"""What stores say of a file that changes when the file does."""


def read_source(uri: str, sha256: str | None = None) -> bytes:
    """All bytes of a source's file.

    Raises DataValidationError where there is no such file, it is a folder, empty, or not the one with the SHA-256
    given; TrainerError, for a retry can help, where it does not answer or changed while it was read.
    """
    before = _stamp(uri)
    content = _read(uri)
    if _stamp(uri) != before:
        raise TrainerError(
            f"{uri}: the file changed while it was read ({len(content):,} bytes), so half of it may be old: it is read "
            "anew when the step is tried again; whoever writes it should write another file and rename it when done"
        )
    if not content:
        raise DataValidationError(f"{uri}: the file is empty (0 bytes); fetch or write it again")
    _refuse_another(uri, content, sha256)
    return content


def changed_at(uri: str) -> datetime:
    """When the file last changed; a server that does not say counts as now."""
    filesystem, path = fsspec.core.url_to_fs(uri)
    try:
        changed: datetime = filesystem.modified(path)
    except (NotImplementedError, KeyError):
        logger.warning("%s: its server does not say when it last changed; it counts as fresh", uri)
        return datetime.now(UTC)
    except FileNotFoundError as error:
        raise _not_found(uri, error) from error
    return changed if changed.tzinfo else changed.replace(tzinfo=UTC)


def _read(uri: str) -> bytes:
    try:
        with fsspec.open(uri, "rb").open() as file:
            return bytes(file.read())
    except FileNotFoundError as error:
        raise _not_found(uri, error) from error
    except PermissionError as error:
        raise DataValidationError(f"{uri}: cannot be read: {error}; give this process the right to read it") from error
    except OSError as error:
        raise TrainerError(f"{uri}: cannot be read: {error}") from error


def _stamp(uri: str) -> dict[str, Any]:
    try:
        filesystem, path = fsspec.core.url_to_fs(uri, use_listings_cache=False)
        info = filesystem.info(path)
    except FileNotFoundError as error:
        raise _not_found(uri, error) from error
    except (ValueError, ImportError) as error:
        raise ConfigurationError(f"source.uri {uri!r}: {error}") from error
    except OSError as error:
        raise DataValidationError(f"{uri}: cannot be reached: {error}") from error
    refuse_folder(uri, info)
    return {key: info[key] for key in STAMPS if key in info}


def _refuse_another(uri: str, content: bytes, sha256: str | None) -> None:
    if sha256 is None:
        return
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataValidationError(
            f"{uri}: the file is not the one that `source.sha256` names: its SHA-256 is {found} ({len(content):,} "
            f"bytes), expected is {sha256}; bring that file back, or name the new one's checksum"
        )


def _not_found(uri: str, error: FileNotFoundError) -> TrainerError:
    if not is_absent(uri, error):
        return TrainerError(f"{uri}: cannot be reached: {error.__cause__}")
    return DataValidationError(f"{uri}: there is no such file; `make data` fetches the published data sets")
