"""Files on this machine as one table: renamed, typed and joined, all composed lazily."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError
from trainer.sources.files.concatenate import FileRows, one_table
from trainer.sources.files.csv_reader import csv_rows
from trainer.sources.files.jsonl_reader import jsonl_attempts
from trainer.sources.files.parquet_reader import raw_parquet_rows, refuse_damaged, typed_parquet_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import polars as pl

    from trainer.pipeline import FileSource, Source
    from trainer.sources.files.source_files import SourceFile
    from trainer.sources.reading import Composed, Reading


@contextlib.contextmanager
def file_attempts(files: list[SourceFile], source: FileSource, reading: Reading) -> Iterator[tuple[Composed, ...]]:
    """Yield the ways to compose the rows of all files, in their order, renamed and typed as `source` says.

    Here and where the rows are used, raises DataValidationError if a file is empty or cannot be read, files do not have
    the same columns, or a value is not of its column's type; ConfigurationError if nothing says what the files hold.
    """
    for file in files:
        if not file.path.stat().st_size:
            raise DataValidationError(f"{file.name}: the file is empty (0 bytes); fetch or write it again")
    try:
        kinds = {source.format_of(file.name) for file in files}
    except ValueError as error:
        raise ConfigurationError(f"source.format: {error}") from None
    if len(kinds) > 1:
        formats = ", ".join(sorted(kinds))
        raise DataValidationError(
            f"{files[0].name} and the others hold different formats ({formats}); name only files of one kind"
        )
    if kinds == {"csv"}:
        yield csv_attempts(files, source, source.separator, reading.scratch)
    elif kinds == {"jsonl"}:
        yield jsonl_attempts(files, source)
    else:
        with parquet_attempts(files, source, source.columns, reading.named) as attempts:
            yield attempts


def csv_attempts(files: list[SourceFile], source: Source, separator: str, scratch: Path) -> tuple[Composed, ...]:
    """Return the ways to compose the rows of CSV files.

    The types of one file are tried as its first rows predict them. Those of several files are compared with each other
    before any row is used, so they have to be right by then.
    """
    ways = (False, True) if len(files) == 1 else (True,)
    return tuple(partial(csv_rows, files, source, separator, scratch, careful=careful) for careful in ways)


@contextlib.contextmanager
def parquet_attempts(
    files: list[SourceFile], source: Source, columns: list[str], named: Collection[str]
) -> Iterator[tuple[Composed, ...]]:
    """Yield the one way to compose the rows of Parquet files; raises as `file_attempts` does."""
    import polars as pl

    try:
        yield (partial(_parquet_rows, files, source, columns, named),)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        for file in files:
            refuse_damaged(file, error)
        raise


def _parquet_rows(files: list[SourceFile], source: Source, columns: list[str], named: Collection[str]) -> pl.LazyFrame:
    raw = [raw_parquet_rows(file, source, columns, named) for file in files]
    parts = [
        FileRows(file.name, typed_parquet_rows(file, rows, raw, source.types))
        for file, rows in zip(files, raw, strict=True)
    ]
    return one_table(parts, guessed=False)
