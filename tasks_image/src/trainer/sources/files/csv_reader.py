"""The rows of a CSV file, typed: fast where the file is as its first rows let expect, and exact where it is not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.date_orders import guessed_dates, settled_types
from trainer.sources.datetimes import YEAR_LAST
from trainer.sources.files.csv_problems import check_header, plain_file, why_not, without_blank_lines
from trainer.tables.parquet import sink_rows

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from trainer.pipeline import Source
    from trainer.pipeline.sources import ColumnType
    from trainer.sources.files.source_files import SourceFile

logger = logging.getLogger(__name__)

FIRST_ROWS = 10_000


def write_csv_rows(file: SourceFile, source: Source, separator: str, target: Path) -> None:
    """Write the rows of a CSV file to a Parquet file, renamed and typed as the source declares.

    Raises DataValidationError where the file is no such CSV, or a value is not of its column's type.
    """
    raw = raw_csv_rows(file, source, separator, target)
    rows = apply_types(raw, types_of([raw], source, file.name), file.name)
    if rows is not raw:
        _rewrite(rows, target)


def types_of(parts: list[pl.LazyFrame], source: Source, name: str) -> dict[str, ColumnType]:
    """Return the types of raw rows of files that belong together: the declared ones, and those of dates in texts."""
    types: dict[str, ColumnType] = {**source.types, **guessed_dates(parts, source.types)}
    return settled_types(parts, types, name)


def raw_csv_rows(file: SourceFile, source: Source, separator: str, target: Path) -> pl.LazyFrame:
    """Write the rows of a CSV file to a Parquet file, renamed but not all typed yet, and return them from there.

    Raises DataValidationError if the file is not such a CSV file.
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
    rows = without_blank_lines(written, plain, separator)
    if rows is not written:
        _rewrite(rows, target)
    return pl.scan_parquet(target)


def _rewrite(rows: pl.LazyFrame, target: Path) -> None:
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
    # Only what begins with a digit can be a date: to ask for them costs ten times what all the rest does. Where the
    # year stands last, Polars takes the day to stand first: these stay text at first.
    texts = [values.drop_nulls() for values in guessed if values.dtype == pl.String]
    dates = [
        values.name
        for values in texts
        if values.head(1).str.contains(r"^\d").any() and not values.str.contains(YEAR_LAST).any()
    ]
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
    try:
        late = _columns_with_year_last(file, options)
        texts = {column: pl.String() for column in (*late, *(published.get(name, name) for name in source.types))}
        rows = pl.scan_csv(file.path, schema_overrides=texts, infer_schema_length=None, try_parse_dates=True, **options)
        sink_rows(apply_names(rows, source.rename, file.name), target)
    except pl.exceptions.PolarsError as error:
        raise why_not(file, options["separator"], error) from error


def _columns_with_year_last(file: SourceFile, options: dict[str, Any]) -> list[str]:
    """Columns in which any text is a date with the year last."""
    import polars as pl

    rows = pl.scan_csv(file.path, infer_schema=False, **options)
    found = rows.select(pl.all().str.contains(YEAR_LAST).any()).collect(engine="streaming")
    return [column for column in found.columns if found[column].item()]


def _published(source: Source) -> dict[str, str]:
    """The columns' names in the file by those they get."""
    return {new: old for old, new in source.rename.items()}
