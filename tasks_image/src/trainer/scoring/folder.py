"""Scored rows as one Parquet file per run, in a folder or below an address of an object store."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.scoring.published import Published
from trainer.tables.parquet import height_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

SCRATCH = ".tmp-"
"""How the names of folders begin that are not published yet; readers of a folder pass over hidden ones."""

REFUSED = (PermissionError, NotADirectoryError, FileNotFoundError)
"""Errors of a folder or bucket that no retry can change; any other may pass."""


def publish_file(uri: str, file: Path, key: str) -> Published:
    """Let `{uri}/{key}.parquet` appear, whole, in place of the file of an earlier try of the run.

    One file per run needs one atomic operation and no manifest: a rename in a folder, one upload to an object store,
    where an object is visible when its upload is complete. Raises ConfigurationError if it may not be written.
    """
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    filesystem, root = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    target, rows = f"{root}/{key}.parquet", height_of(file)
    try:
        replaced = _rows_of(filesystem, target)
        if isinstance(filesystem, LocalFileSystem):
            _move_into_place(file, Path(target))
        else:
            filesystem.put_file(str(file), target)
    except OSError as error:
        if not isinstance(error, REFUSED) and error.errno != errno.EROFS:
            raise
        raise ConfigurationError(
            f"scoring.output.uri: {uri} cannot be written: {error}; nothing was published. Let this process write "
            "there, or name another folder or bucket; the rows are kept: clear this task to publish them"
        ) from error
    return Published(f"{uri.rstrip('/')}/{key}.parquet", rows, replaced)


def _rows_of(filesystem: AbstractFileSystem, path: str) -> int:
    """The rows of a file that was published before; 0 if there is none."""
    import pyarrow.parquet as pq

    try:
        with filesystem.open(path, "rb") as file:
            return int(pq.ParquetFile(file).metadata.num_rows)
    except FileNotFoundError:
        return 0


def _move_into_place(file: Path, target: Path) -> None:
    """Copy a file beside its target, then rename it: the one or the other is there, also after a power cut."""
    target.parent.mkdir(parents=True, exist_ok=True)
    own = f"{SCRATCH}{target.stem}-"
    for left in target.parent.glob(f"{own}*"):  # of a try that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=own) as scratch:
        copy = Path(shutil.copyfile(file, Path(scratch) / target.name))
        _sync(copy)
        copy.replace(target)
        _sync(target.parent)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
