"""Rows in files that a Git repository pins with DVC."""

from __future__ import annotations

import tempfile
from pathlib import Path

from trainer.connections import read_connection
from trainer.data.dvc_repository import pinned_files
from trainer.data.file_rows import write_files
from trainer.jobs.reader import Lineage, Reader
from trainer.pipeline import DvcSource

HASH_TAG, REMOTE_TAG, COMMIT_TAG = "dvc.hash", "data.remote", "dvc.commit"


class DvcReader(DvcSource, Reader):
    """Reads exactly the files that a commit pins.

    >>> DvcReader(repository="https://host/data.git", path="rows.csv").KIND
    'dvc'
    """

    @property
    def location(self) -> str:
        return f"{self.repository}@{self.commit or self.revision}:{self.path}"

    def write_rows(self, file: Path) -> Lineage:
        connection = read_connection(self.connection) if self.connection else None
        with (
            tempfile.TemporaryDirectory(dir=file.parent) as scratch,
            pinned_files(self, connection, Path(scratch)) as pinned,
        ):
            write_files(pinned.files, self, file)
        tags = {HASH_TAG: pinned.hash, REMOTE_TAG: pinned.remote, COMMIT_TAG: self.commit or ""}
        return Lineage(self.location, self.KIND, pinned.committed_at, {name: tag for name, tag in tags.items() if tag})
