"""The rows of CSV files, typed: fast if the first rows predict the types of all, and exact if not."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.date_orders import guessed_dates, may_be_dates, settled_types
from trainer.sources.datetimes import YEAR_LAST
from trainer.sources.files.codes import with_codes_as_strings
from trainer.sources.files.concatenate import FileRows, one_table
from trainer.sources.files.csv_problems import check_header, plain_file, why_not, without_blank_lines
from trainer.sources.files.partitions import add_partition
from trainer.tables.parquet import sink_rows

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import polars as pl

    from trainer.pipeline import Source
    from trainer.pipeline.sources import ColumnType
    from trainer.sources.files.source_files import SourceFile

logger = logging.getLogger(__name__)

FIRST_ROWS = 10_000


@dataclass(frozen=True)
class RawCsv:
    """The rows of one CSV file, renamed, with some columns still text."""

    name: str
    rows: pl.LazyFrame
    undecided: frozenset[str]
    """Columns of text whose values decide on their type."""
    scratch: Path
    is_parquet: bool = False
    """If the rows are read from Parquet, and not from the text."""


def csv_rows(files: list[SourceFile], source: Source, separator: str, scratch: Path, *, careful: bool) -> pl.LazyFrame:
    """Return the rows of CSV files, part by part, renamed and typed as the source declares.

    The types of columns that are not declared are those of the first rows. Using the rows raises a PolarsError if a
    later value is of another type; with `careful`, such a file is found here, and typed by all of its rows. Files in
    `scratch` are needed until the rows have been used. Raises DataValidationError if a file is not such a CSV file, or
    a value is not of its column's type.
    """
    options: dict[str, Any] = {"separator": separator, "null_values": source.missing}
    plain = [_plain(file, source, separator, scratch / f"csv-{number:05d}") for number, file in enumerate(files)]
    source = with_codes_as_strings(plain, source, options)
    raw = [
        _raw(file, source, options, scratch / f"csv-{number:05d}", careful=careful) for number, file in enumerate(plain)
    ]
    undecided = frozenset[str]().union(*(part.undecided for part in raw))
    looked_at = [_put_aside(part, undecided) for part in raw]
    types = _types_of(looked_at, source, files[0].name if len(files) == 1 else f"{files[0].name} and others")
    parts = [
        FileRows(part.name, apply_types(part.rows, types, part.name, values))
        for part, values in zip(raw, looked_at, strict=True)
    ]
    return one_table(parts, guessed=True)


def _types_of(parts: list[pl.LazyFrame], source: Source, name: str) -> dict[str, ColumnType]:
    """The types of files that belong together: the declared ones, and those of dates in texts."""
    types: dict[str, ColumnType] = {**source.types, **guessed_dates(parts, source.types)}
    return settled_types(parts, types, name)


def _put_aside(part: RawCsv, undecided: Collection[str]) -> pl.LazyFrame:
    """The undecided columns, as Parquet: they are looked at several times, and text would be parsed each time."""
    import polars as pl

    if part.is_parquet:
        return part.rows
    columns = [name for name in part.rows.collect_schema() if name in undecided]
    if not columns:
        return pl.LazyFrame()
    file = part.scratch / "undecided.parquet"
    sink_rows(part.rows.select(columns), file)
    return pl.scan_parquet(file)


def _plain(file: SourceFile, source: Source, separator: str, scratch: Path) -> SourceFile:
    """The file as plain text with a header. Raises DataValidationError if it is not such a CSV file."""
    scratch.mkdir(exist_ok=True)
    plain = plain_file(file, scratch)
    check_header(plain, separator, set(source.rename))
    return plain


def _raw(file: SourceFile, source: Source, options: dict[str, Any], scratch: Path, *, careful: bool) -> RawCsv:
    """Raises DataValidationError if the file is not such a CSV file."""
    import polars as pl

    try:
        part = _by_first_rows(file, source, options, scratch)
        if careful:
            part.rows.select(pl.all().null_count()).collect(engine="streaming")  # reads every value
    except pl.exceptions.PolarsError:
        return _by_all_rows(file, source, options, scratch)
    return part


def _by_first_rows(file: SourceFile, source: Source, options: dict[str, Any], scratch: Path) -> RawCsv:
    """Scan the file with the types of its first rows; raises PolarsError where these do not tell."""
    import polars as pl

    schema, undecided = _types_by_first_rows(file, source, options)
    rows = without_blank_lines(pl.scan_csv(file.path, schema=schema, **options), file, options["separator"])
    rows = apply_names(add_partition(rows, file), source.rename, file.name)
    renamed = frozenset(source.rename.get(name, name) for name in (*undecided, *file.partition))
    return RawCsv(file.name, rows, renamed, scratch)


def _types_by_first_rows(file: SourceFile, source: Source, options: dict[str, Any]) -> tuple[pl.Schema, list[str]]:
    """Types to read the columns as, and the undecided columns; raises PolarsError where the first rows do not tell."""
    import polars as pl

    published = _published(source)
    # Truths, dates and times have more ways of being written than Polars reads by itself: they stay text at first.
    plain = {"string": pl.String(), "integer": pl.Int64(), "float": pl.Float64()}
    declared = {published.get(column, column): plain.get(kind, pl.String()) for column, kind in source.types.items()}
    undecided = [published.get(column, column) for column, kind in source.types.items() if kind not in plain]
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
    return pl.Schema({**first.schema, **found}), [*undecided, *(one.name for one in texts if may_be_dates(one))]


def _first_rows(file: SourceFile, options: dict[str, Any], types: dict[str, pl.DataType]) -> pl.DataFrame:
    import polars as pl

    return pl.read_csv(file.path, n_rows=FIRST_ROWS, schema_overrides=types, infer_schema_length=FIRST_ROWS, **options)


def _by_all_rows(file: SourceFile, source: Source, options: dict[str, Any], scratch: Path) -> RawCsv:
    """Type the columns by all rows, with what is declared left as text.

    The rows are put aside as Parquet: the type of each column is decided on all its values, and to parse the text for
    each such look would take longer than to write it once.
    """
    import polars as pl

    logger.info("%s: the first %d rows do not tell the types of all columns: all are looked at", file.name, FIRST_ROWS)
    published = _published(source)
    target = scratch / "raw.parquet"
    try:
        late = _columns_with_year_last(file, options)
        texts = {column: pl.String() for column in (*late, *(published.get(name, name) for name in source.types))}
        rows = pl.scan_csv(file.path, schema_overrides=texts, infer_schema_length=None, try_parse_dates=True, **options)
        sink_rows(rows, target)
    except pl.exceptions.PolarsError as error:
        raise why_not(file, options["separator"], error) from error
    rows = without_blank_lines(pl.scan_parquet(target), file, options["separator"])
    rows = apply_names(add_partition(rows, file), source.rename, file.name)
    undecided = [name for name, kind in rows.collect_schema().items() if kind == pl.String]
    return RawCsv(file.name, rows, frozenset(undecided), scratch, is_parquet=True)


def _columns_with_year_last(file: SourceFile, options: dict[str, Any]) -> list[str]:
    """Columns in which any text is a date with the year last."""
    import polars as pl

    rows = pl.scan_csv(file.path, infer_schema=False, **options)
    found = rows.select(pl.all().str.contains(YEAR_LAST).any()).collect(engine="streaming")
    return [column for column in found.columns if found[column].item()]


def _published(source: Source) -> dict[str, str]:
    """The columns' names in the file by those they get."""
    return {new: old for old, new in source.rename.items()}
