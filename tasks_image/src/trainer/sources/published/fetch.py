"""Fetching the public data sets, each file checked against its SHA-256 before it is in place."""

from __future__ import annotations

import contextlib
import difflib
import logging
import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import fsspec

from trainer.errors import ConfigurationError, DataValidationError
from trainer.sources.http.download import fetch, sha256_of
from trainer.sources.published.catalog import DATASETS, DatasetFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)


def fetch_datasets(
    target: Path,
    mirror: str | None = None,
    names: Sequence[str] | None = None,
    *,
    table: Sequence[DatasetFile] = DATASETS,
) -> list[Path]:
    """Bring the files of the named data sets (of all, without names) to `target/<relative path>`; returns their paths.

    A file that is there with the right checksum is left alone. Files come from their public addresses, or all of them
    from `mirror`: a folder, an http(s) address or any fsspec URI with the same relative paths below it. The files that
    were in place before an error stay.
    Raises DataValidationError where a file cannot be read or has the wrong checksum; ConfigurationError for a name
    that is not in the table, and for a mirror with a password in its address.
    """
    chosen = _choose(table, names)
    if mirror is not None:
        _refuse_secrets(mirror)
    return [_fetch(file, target / file.path, mirror) for file in chosen]


def _choose(table: Sequence[DatasetFile], names: Sequence[str] | None) -> list[DatasetFile]:
    known = sorted({file.dataset for file in table})
    for name in names or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"no data set is called {name!r}: there are {', '.join(known)}{hint}")
    return [file for file in table if names is None or file.dataset in names]


def _refuse_secrets(mirror: str) -> None:
    """Keep passwords out of logs and error messages, where the address appears."""
    if "@" in urlsplit(mirror).netloc:
        raise ConfigurationError(
            "DATA_MIRROR holds a user name or a password: take it out of the address, and give credentials to the "
            "storage's client instead (such as AWS_ACCESS_KEY_ID)"
        )


def _fetch(file: DatasetFile, path: Path, mirror: str | None) -> Path:
    if path.is_file() and sha256_of(path) == file.sha256:
        logger.info("%s is there already", path)
        return path
    address = file.url if mirror is None else f"{mirror.rstrip('/')}/{file.path}"
    logger.info("fetching %s from %s", path, address)
    with _new_folders(path.parent):
        _download(file, address, path, mirrored=mirror is not None)
    return path


@contextlib.contextmanager
def _new_folders(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; those that were not there go again if the body fails."""
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in new:
            with contextlib.suppress(OSError):  # Something else has been put there meanwhile.
                each.rmdir()
        raise


def _download(file: DatasetFile, address: str, path: Path, *, mirrored: bool) -> None:
    """Write a neighbour of the file and move it into place if its checksum is right."""
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        _copy(file, address, scratch, mirrored=mirrored)
        digest = sha256_of(scratch)
        if digest != file.sha256:
            size = scratch.stat().st_size
            raise DataValidationError(_wrong_checksum(file, address, digest, size, mirrored=mirrored))
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _copy(file: DatasetFile, address: str, target: Path, *, mirrored: bool) -> None:
    try:
        if urlsplit(address).scheme in ("http", "https"):
            fetch(address, target)
        else:
            filesystem, path = fsspec.core.url_to_fs(address, use_listings_cache=False)
            filesystem.get_file(path, str(target))
    except Exception as error:
        # Each filesystem has errors of its own (botocore's are no OSError), and all mean the same here.
        advice = (
            f"put the file published at {file.url} there"
            if mirrored
            else f"try again later, or set DATA_MIRROR to a folder or an address that holds the files as {file.path}"
        )
        raise DataValidationError(
            f"{file.path} cannot be read from {address} ({type(error).__name__}: {error}): {advice}"
        ) from error


def _wrong_checksum(file: DatasetFile, address: str, found: str, size: int, *, mirrored: bool) -> str:
    advice = (
        f"replace the mirror's file by the one published at {file.url}"
        if mirrored
        else f"fetch again, in case it was cut short, or set DATA_MIRROR to a place that holds the file as {file.path}"
    )
    return (
        f"{file.path} has the wrong checksum: expected SHA-256 {file.sha256}, found {found} "
        f"({size} bytes from {address}); {advice}"
    )
