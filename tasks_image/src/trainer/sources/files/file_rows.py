"""Files on this machine as one Parquet file: renamed, typed and joined, a batch of rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError
from trainer.sources.column_types import apply_types
from trainer.sources.files.concatenate import FileRows, one_table
from trainer.sources.files.csv_reader import raw_csv_rows, types_of, write_csv_rows
from trainer.sources.files.parquet_reader import raw_parquet_rows, refuse_damaged, typed_parquet_rows
from trainer.tables.parquet import sink_rows

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.pipeline import FileSource, Source
    from trainer.sources.files.source_files import SourceFile


def write_files(files: list[SourceFile], source: FileSource, target: Path) -> None:
    """Write the rows of all files, in their order, to a Parquet file `target`, renamed and typed as `source` says.

    Raises DataValidationError where a file is empty or cannot be read, files do not have the same columns, or a value
    is not of its column's type; ConfigurationError where nothing says what the files hold.
    """
    for file in files:
        if not file.path.stat().st_size:
            raise DataValidationError(f"{file.name}: the file is empty (0 bytes); fetch or write it again")
    try:
        kinds = {source.format_of(file.name) for file in files}
    except ValueError as error:
        raise ConfigurationError(f"source.format: {error}") from None
    if len(kinds) > 1:
        raise DataValidationError(f"{files[0].name} and the others hold CSV and Parquet; name only files of one kind")
    if kinds == {"csv"}:
        write_csv_files(files, source, source.separator, target)
    else:
        write_parquet_files(files, source, source.columns, target)


def write_csv_files(files: list[SourceFile], source: Source, separator: str, target: Path) -> None:
    """Write the rows of CSV files to a Parquet file; raises as `write_files` does."""
    if len(files) == 1:
        write_csv_rows(files[0], source, separator, target)
        return
    raw = [
        raw_csv_rows(file, source, separator, target.with_name(f"{target.stem}-{number:05d}.parquet"))
        for number, file in enumerate(files)
    ]
    types = types_of(raw, source, f"{files[0].name} and others")
    parts = [FileRows(file.name, apply_types(rows, types, file.name)) for file, rows in zip(files, raw, strict=True)]
    sink_rows(one_table(parts, guessed=True), target)


def write_parquet_files(files: list[SourceFile], source: Source, columns: list[str], target: Path) -> None:
    """Write the rows of Parquet files to one; raises as `write_files` does."""
    import polars as pl

    raw = [raw_parquet_rows(file, source, columns) for file in files]
    parts = [
        FileRows(file.name, typed_parquet_rows(file, rows, raw, source.types))
        for file, rows in zip(files, raw, strict=True)
    ]
    try:
        sink_rows(one_table(parts, guessed=False), target)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        for file in files:
            refuse_damaged(file, error)
        raise
