"""The rows of a CSV file, typed: fast where the file is as its first rows let expect, and exact where it is not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from trainer.data.csv_text import check_header, plain_file, why_not, without_blank_lines
from trainer.data.tables import sink_rows
from trainer.data.typing import apply_names, apply_types

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from trainer.data.source_files import SourceFile
    from trainer.pipeline import Source

logger = logging.getLogger(__name__)

FIRST_ROWS = 10_000


def write_csv_rows(file: SourceFile, source: Source, separator: str, target: Path) -> None:
    """Write the rows of a CSV file to a Parquet file, renamed and typed as the source declares.

    Raises DataValidationError where the file is no such CSV, or a value is not of its column's type.
    """
    import polars as pl

    plain = plain_file(file, target.parent)
    check_header(plain, separator, set(source.rename))
    options: dict[str, Any] = {"separator": separator, "null_values": source.missing}
    try:
        rows = pl.scan_csv(plain.path, schema=_types_by_first_rows(plain, source, options), **options)
        sink_rows(apply_names(rows, source.rename, file.name), target)
    except pl.exceptions.PolarsError:
        _write_carefully(plain, source, options, target)
    written = pl.scan_parquet(target)
    rows = apply_types(without_blank_lines(written, plain, separator), source.types, file.name)
    if rows is not written:
        again = target.with_suffix(".again")
        sink_rows(rows, again)
        again.replace(target)


def _types_by_first_rows(file: SourceFile, source: Source, options: dict[str, Any]) -> pl.Schema:
    """Types to read the columns as; raises PolarsError where the first rows do not tell."""
    import polars as pl

    published = _published(source)
    # Truths, dates and times have more ways of being written than Polars reads by itself: they stay text at first.
    plain = {"string": pl.String(), "integer": pl.Int64(), "float": pl.Float64()}
    declared = {published.get(column, column): plain.get(kind, pl.String()) for column, kind in source.types.items()}
    first = _first_rows(file, options, declared)
    guessed = [values for values in first if values.name not in declared]
    silent = [values.name for values in guessed if values.null_count() == len(values)]
    if silent and first.height == FIRST_ROWS:
        raise pl.exceptions.ComputeError(f"no value yet: {', '.join(silent)}")
    # Only what begins with a digit can be a date: to ask for them costs ten times what all the rest does.
    texts = [values.drop_nulls() for values in guessed if values.dtype == pl.String]
    dates = [values.name for values in texts if values.head(1).str.contains(r"^\d").any()]
    found = _first_rows(file, {**options, "columns": dates, "try_parse_dates": True}, declared).schema if dates else {}
    return pl.Schema({**first.schema, **found})


def _first_rows(file: SourceFile, options: dict[str, Any], types: dict[str, pl.DataType]) -> pl.DataFrame:
    import polars as pl

    return pl.read_csv(file.path, n_rows=FIRST_ROWS, schema_overrides=types, infer_schema_length=FIRST_ROWS, **options)


def _write_carefully(file: SourceFile, source: Source, options: dict[str, Any], target: Path) -> None:
    """Write rows whose types the first ones do not tell: all are looked at, and what is declared is left as text."""
    import polars as pl

    logger.info("%s: the first %d rows do not tell the types of all columns: all are looked at", file.name, FIRST_ROWS)
    published = _published(source)
    texts = {published.get(column, column): pl.String() for column in source.types}
    try:
        rows = pl.scan_csv(file.path, schema_overrides=texts, infer_schema_length=None, try_parse_dates=True, **options)
        sink_rows(apply_names(rows, source.rename, file.name), target)
    except pl.exceptions.PolarsError as error:
        raise why_not(file, options["separator"], error) from error


def _published(source: Source) -> dict[str, str]:
    """The columns' names in the file by those they get."""
    return {new: old for old, new in source.rename.items()}
