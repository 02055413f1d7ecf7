"""Rows in files that a Git repository pins with DVC."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.connections import read_connection
from trainer.sources.dvc.repository import pinned_files
from trainer.sources.files.file_rows import file_attempts
from trainer.sources.files.partitions import with_partitions
from trainer.sources.reading import REMOTE_TAG, Lineage, Reading, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import DvcSource

HASH_TAG, COMMIT_TAG = "dvc.hash", "dvc.commit"


def dvc_location(source: DvcSource) -> str:
    """Return repository, commit (or revision) and path.

    >>> from trainer.pipeline import DvcSource
    >>> dvc_location(DvcSource(repository="https://host/data.git", path="rows.csv"))
    'https://host/data.git@main:rows.csv'
    """
    return _at(source, source.commit or source.revision)


@contextlib.contextmanager
def open_dvc(source: DvcSource, reading: Reading) -> Iterator[Table]:
    """Yield the rows of exactly the files that a commit pins; raises as `open_source` does."""
    connection = read_connection(source.connection) if source.connection else None
    with tempfile.TemporaryDirectory(dir=reading.scratch) as clone:
        pinned = pinned_files(source, connection, Path(clone))
    tags = {HASH_TAG: pinned.hash, REMOTE_TAG: pinned.remote, COMMIT_TAG: pinned.commit}
    with file_attempts(with_partitions(pinned.files, f"{source.path}/"), source, reading) as attempts:
        yield Table(Lineage(_at(source, pinned.commit), source.KIND, pinned.committed_at, tags), attempts)


def _at(source: DvcSource, revision: str) -> str:
    return f"{source.repository}@{revision}:{source.path}"
