"""The rows of a Parquet file, typed, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline import did_you_mean
from trainer.sources.column_types import apply_names, apply_types
from trainer.sources.date_orders import settled_types
from trainer.sources.files.pandas_index import index_columns
from trainer.sources.files.partitions import add_partition
from trainer.sources.notes import note
from trainer.sources.row_filter import columns_of_condition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import polars as pl

    from trainer.pipeline import Source
    from trainer.pipeline.sources import ColumnType
    from trainer.sources.files.source_files import SourceFile

MAGIC = b"PAR1"
"""The first and the last bytes of a Parquet file."""


def raw_parquet_rows(file: SourceFile, source: Source, columns: list[str], named: Collection[str] = ()) -> pl.LazyFrame:
    """The rows of a Parquet file, renamed as the source declares; of `columns` alone, where any are named.

    Without `columns`, the index of pandas is left out, but for what the source names and `named` (as they are renamed).

    Raises DataValidationError if the file is not a Parquet file, or a column is missing.
    """
    import polars as pl

    try:
        rows = add_partition(pl.scan_parquet(file.path, glob=False, hive_partitioning=False), file)
        _refuse_absent(columns, rows.collect_schema(), file.name)
        rows = rows.select(columns) if columns else _without_index(rows, file, source, named)
        rows = blank_to_missing(rows, source.missing)
        return apply_names(rows, source.rename, file.name)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(file, error) from error


def typed_parquet_rows(
    file: SourceFile, rows: pl.LazyFrame, together: list[pl.LazyFrame], types: dict[str, ColumnType]
) -> pl.LazyFrame:
    """The rows of a Parquet file, typed as declared; `together` are those of all files that belong to one table.

    Raises DataValidationError where the file cannot be read or a value is not of its type.
    """
    import polars as pl

    try:
        return apply_types(rows, settled_types(together, types, file.name), file.name)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(file, error) from error


def _without_index(rows: pl.LazyFrame, file: SourceFile, source: Source, named: Collection[str]) -> pl.LazyFrame:
    parts = {part for date in source.dates.values() for part in date.columns}
    wanted = {*source.declared, *named, *parts, *columns_of_condition(source.where)}
    index = [name for name in index_columns(file.path) if source.rename.get(name, name) not in wanted]
    if index:
        shown = ", ".join(map(repr, index))
        note(f"the index of pandas is left out: {shown}; a name under `columns` or `source.types` makes it a column")
    return rows.drop(index)


def refuse_damaged(file: SourceFile, error: BaseException) -> None:
    """Raise DataValidationError where a file cannot be read to its end, as an error made likely."""
    import polars as pl

    try:
        pl.scan_parquet(file.path, glob=False).select(pl.all().hash().sum()).collect(engine="streaming")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        raise _unreadable(file, error) from error


def _unreadable(file: SourceFile, error: BaseException) -> DataValidationError:
    size = file.path.stat().st_size
    with file.path.open("rb") as handle:
        begins = handle.read(len(MAGIC)) == MAGIC
        handle.seek(max(0, size - len(MAGIC)))
        ends = handle.read() == MAGIC
    why = (
        f"it was cut off after {size:,} bytes, before its footer" if begins and not ends else str(error).splitlines()[0]
    )
    return DataValidationError(f"{file.name}: cannot be read as Parquet: {why}; fetch or write it again")


def blank_to_missing(rows: pl.LazyFrame, missing: list[str]) -> pl.LazyFrame:
    """The rows with the texts that mean a missing value (the empty one too) replaced by missing values."""
    import polars as pl
    import polars.selectors as cs

    texts = cs.string()
    return rows.with_columns(pl.when(texts.is_in(["", *missing])).then(None).otherwise(texts).name.keep())


def _refuse_absent(columns: list[str], schema: Mapping[str, pl.DataType], name: str) -> None:
    absent = [column for column in columns if column not in schema]
    if absent:
        raise DataValidationError(
            f"{name}: columns to read are missing: {', '.join(absent)}{did_you_mean(absent[0], schema)}; "
            "mend the data or `source.columns`"
        )
