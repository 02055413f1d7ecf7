"""Rows in files of CSV, Parquet and JSON Lines at any fsspec address: one file, a folder's, or those of a glob."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError
from trainer.pipeline.sources import endings_of
from trainer.sources.files.file_rows import csv_attempts, parquet_attempts
from trainer.sources.files.jsonl_reader import jsonl_attempts
from trainer.sources.files.partitions import with_partitions
from trainer.sources.files.source_files import find_files, local_files, not_found
from trainer.sources.reading import Lineage, Reading, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.pipeline import CsvSource, JsonLinesSource, ParquetSource, StoredSource
    from trainer.sources.files.source_files import SourceFile


def stored_location(source: StoredSource) -> str:
    """Return the address."""
    return source.uri


@contextlib.contextmanager
def open_csv(source: CsvSource, reading: Reading) -> Iterator[Table]:
    """Yield the rows of CSV files; raises as `open_source` does."""
    with stored_files(source, reading) as (files, lineage):
        yield Table(lineage, csv_attempts(files, source, source.separator, reading.scratch))


@contextlib.contextmanager
def open_parquet(source: ParquetSource, reading: Reading) -> Iterator[Table]:
    """Yield the rows of Parquet files; raises as `open_source` does."""
    with (
        stored_files(source, reading) as (files, lineage),
        parquet_attempts(files, source, source.columns, reading.named) as attempts,
    ):
        yield Table(lineage, attempts)


@contextlib.contextmanager
def open_jsonl(source: JsonLinesSource, reading: Reading) -> Iterator[Table]:
    """Yield the rows of JSON Lines files; raises as `open_source` does."""
    with stored_files(source, reading) as (files, lineage):
        yield Table(lineage, jsonl_attempts(files, source))


@contextlib.contextmanager
def stored_files(source: StoredSource, reading: Reading) -> Iterator[tuple[list[SourceFile], Lineage]]:
    """Yield the files of a source on this machine, and their lineage; raises as `open_source` does."""
    found = find_files(source.uri, endings_of(source.KIND))
    if not found:
        raise not_found(source.uri)
    if source.sha256 is not None and len(found) > 1:
        raise ConfigurationError(f"source.sha256 is of one file, and {source.uri} names {len(found)}; leave it out")
    fetched = reading.scratch / "fetched"
    fetched.mkdir()
    with local_files(found, source.sha256, fetched) as files:
        yield (
            with_partitions(files, source.uri),
            Lineage(source.uri, source.KIND, max(stored.changed_at() for stored in found)),
        )
