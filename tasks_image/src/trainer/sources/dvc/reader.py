"""Rows in files that a Git repository pins with DVC."""

from __future__ import annotations

import tempfile
from pathlib import Path

from trainer.connections import read_connection
from trainer.pipeline import DvcSource
from trainer.sources.dvc.repository import pinned_files
from trainer.sources.files.file_rows import write_files
from trainer.sources.reader import REMOTE_TAG, Lineage, Reader

HASH_TAG, COMMIT_TAG = "dvc.hash", "dvc.commit"


class DvcReader(DvcSource, Reader):
    """Reads exactly the files that a commit pins.

    >>> DvcReader(repository="https://host/data.git", path="rows.csv").location
    'https://host/data.git@main:rows.csv'
    """

    @property
    def location(self) -> str:
        return self._at(self.commit or self.revision)

    def write_rows(self, file: Path) -> Lineage:
        connection = read_connection(self.connection) if self.connection else None
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            pinned = pinned_files(self, connection, Path(scratch))
        write_files(pinned.files, self, file)
        tags = {HASH_TAG: pinned.hash, REMOTE_TAG: pinned.remote, COMMIT_TAG: pinned.commit}
        return Lineage(self._at(pinned.commit), self.KIND, pinned.committed_at, tags)

    def _at(self, revision: str) -> str:
        return f"{self.repository}@{revision}:{self.path}"
