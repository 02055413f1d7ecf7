"""Readers of files and of built-in samples, and which reader a source's KIND names."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from trainer.errors import ConfigurationError
from trainer.pipeline import AnySource, CsvSource, ParquetSource, SampleSource, StoredSource
from trainer.pipeline.sources import endings_of
from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.dvc.reader import DvcReader
from trainer.sources.files.file_rows import write_csv_files, write_parquet_files
from trainer.sources.files.parquet_reader import blank_to_missing
from trainer.sources.files.source_files import find_files, local_files, not_found
from trainer.sources.http.reader import HttpReader
from trainer.sources.postgres.reader import PostgresReader
from trainer.sources.reader import Lineage, Reader
from trainer.sources.s3.reader import S3Reader
from trainer.sources.samples.registry import SAMPLES, generate_sample
from trainer.tables.parquet import sink_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainer.sources.files.source_files import SourceFile


class StoredReader(StoredSource, Reader):
    """Reads files from any fsspec address: one, those of a folder, or those that fit a glob."""

    @property
    def location(self) -> str:
        return self.uri

    def write_rows(self, file: Path) -> Lineage:
        found = find_files(self.uri, endings_of(self.KIND))
        if not found:
            raise not_found(self.uri)
        if self.sha256 is not None and len(found) > 1:
            raise ConfigurationError(f"source.sha256 is of one file, and {self.uri} names {len(found)}; leave it out")
        with (
            tempfile.TemporaryDirectory(dir=file.parent) as scratch,
            local_files(found, self.sha256, Path(scratch)) as files,
        ):
            self._write_files(files, file)
        return Lineage(self.uri, self.KIND, max(stored.changed_at() for stored in found))

    @abstractmethod
    def _write_files(self, files: list[SourceFile], target: Path) -> None:
        """Write the rows of files that lie on this machine."""


class CsvReader(CsvSource, StoredReader):
    """Reads CSV files.

    >>> CsvReader(uri="file:///data/houses.csv", missing=["NA"]).KIND
    'csv'
    """

    def _write_files(self, files: list[SourceFile], target: Path) -> None:
        write_csv_files(files, self, self.separator, target)


class ParquetReader(ParquetSource, StoredReader):
    """Reads Parquet files."""

    def _write_files(self, files: list[SourceFile], target: Path) -> None:
        write_parquet_files(files, self, self.columns, target)


class SampleReader(SampleSource, Reader):
    """Generates a built-in sample.

    >>> SampleReader(rows=1000, seed=7).read().height
    1000
    """

    @property
    def location(self) -> str:
        return f"sample://{self.sample}?rows={self._rows}&seed={self.seed}&drift={self.drift:g}"

    def write_rows(self, file: Path) -> Lineage:
        rows = generate_sample(self.sample, self._rows, self.seed, self.drift).lazy()
        named = apply_names(blank_to_missing(rows, self.missing), self.rename, self.location)
        sink_rows(apply_types(named, self.types, self.location), file)
        return Lineage(self.location, self.KIND, datetime.now(UTC))

    @property
    def _rows(self) -> int:
        return self.rows or SAMPLES[self.sample].published_rows


AnyReader = Annotated[
    CsvReader | ParquetReader | PostgresReader | S3Reader | HttpReader | DvcReader | SampleReader,
    Field(discriminator="KIND"),
]

READERS: dict[
    str, type[CsvReader | ParquetReader | PostgresReader | S3Reader | HttpReader | DvcReader | SampleReader]
] = {
    "csv": CsvReader,
    "parquet": ParquetReader,
    "postgres": PostgresReader,
    "s3": S3Reader,
    "http": HttpReader,
    "dvc": DvcReader,
    "sample": SampleReader,
}


def reader_for(source: AnySource, named: Iterable[str] = ()) -> Reader:
    """The reader that a source's KIND names; `named` are columns that the pipeline names beside the source."""
    return READERS[source.KIND].model_validate(source.model_dump()).naming(named)
