"""The rows of files of JSON Lines."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.date_orders import settled_types
from trainer.sources.files.concatenate import FileRows, one_table
from trainer.sources.files.parquet_reader import blank_to_missing
from trainer.sources.files.partitions import add_partition

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Source
    from trainer.sources.files.source_files import SourceFile
    from trainer.sources.reading import Composed


def jsonl_attempts(files: list[SourceFile], source: Source) -> tuple[Composed, ...]:
    """Return the one way to compose the rows of JSON Lines files.

    Raises DataValidationError that names the file and the line which is not an object.
    """
    return (partial(_jsonl_rows, files, source),)


def _jsonl_rows(files: list[SourceFile], source: Source) -> pl.LazyFrame:
    raw = [_raw_rows(file, source) for file in files]
    parts = [
        FileRows(file.name, apply_types(rows, settled_types(raw, source.types, file.name), file.name))
        for file, rows in zip(files, raw, strict=True)
    ]
    return one_table(parts, guessed=True)


def _raw_rows(file: SourceFile, source: Source) -> pl.LazyFrame:
    """The rows of a file; a key that only some lines have is a column with missing values."""
    import polars as pl

    try:
        rows = pl.read_ndjson(file.path, infer_schema_length=None).lazy()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DataValidationError(f"{file.name}: {_wrong_line(file) or str(error).splitlines()[0]}") from error
    rows = add_partition(blank_to_missing(rows, source.missing), file)
    return apply_names(rows, source.rename, file.name)


def _wrong_line(file: SourceFile) -> str:
    """The first line that is not an object, in words; empty where there is none."""
    with file.path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except ValueError as error:
                return f'line {number} is not JSON: {error}; each line has to be an object such as {{"text": "…"}}'
            if not isinstance(found, dict):
                return f'line {number} is a {type(found).__name__}, expected an object such as {{"text": "…"}}'
    return ""
