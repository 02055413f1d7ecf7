"""Rows in a file on a web server."""

from __future__ import annotations

import tempfile
from pathlib import Path

from trainer.pipeline import HttpSource
from trainer.sources.files.file_rows import write_files
from trainer.sources.files.source_files import SourceFile
from trainer.sources.http.download import download
from trainer.sources.reader import Lineage, Reader


class HttpReader(HttpSource, Reader):
    """Fetches a file from a web server, whole, and only the one that the checksum names.

    >>> HttpReader(address="https://host/rows.csv", sha256="0" * 64).KIND
    'http'
    """

    @property
    def location(self) -> str:
        return self.address

    def write_rows(self, file: Path) -> Lineage:
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            fetched = Path(scratch) / "fetched"
            changed_at = download(self.address, fetched, self.sha256)
            write_files([SourceFile(self.address, fetched)], self, file)
        return Lineage(self.address, self.KIND, changed_at)
