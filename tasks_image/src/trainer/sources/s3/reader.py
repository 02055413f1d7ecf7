"""Rows in objects of S3, or of another store that speaks its protocol."""

from __future__ import annotations

import tempfile
from pathlib import Path

from trainer.connections import read_connection
from trainer.errors import ConfigurationError
from trainer.pipeline import S3Source
from trainer.pipeline.sources import FORMATS, endings_of
from trainer.sources.files.file_rows import write_files
from trainer.sources.files.source_files import SourceFile, refuse_another
from trainer.sources.reader import Lineage, Reader
from trainer.sources.s3.objects import fetch_object, find_objects, s3_client


class S3Reader(S3Source, Reader):
    """Fetches objects, each whole and of one state, and reads them as one table.

    >>> S3Reader(uri="s3://lake/customers/*.parquet").KIND
    's3'
    """

    @property
    def location(self) -> str:
        return self.uri

    def write_rows(self, file: Path) -> Lineage:
        client = s3_client(read_connection(self.connection) if self.connection else None, self.endpoint)
        found = find_objects(client, self.uri, endings_of(self.format) if self.format else tuple(FORMATS))
        if self.sha256 is not None and len(found) > 1:
            raise ConfigurationError(f"source.sha256 is of one object, and {self.uri} names {len(found)}; leave it out")
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            files = []
            for number, one in enumerate(found):
                files.append(SourceFile(one.uri, Path(scratch) / f"{number:05d}"))
                fetch_object(client, one, files[-1].path)
            if self.sha256 is not None:
                refuse_another(files[0], self.sha256)
            write_files(files, self, file)
        return Lineage(self.uri, self.KIND, max(one.changed_at for one in found))
