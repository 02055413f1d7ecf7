"""What a CSV file's texts stand for: which mean a missing value, and which type a column has."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline import CsvSource, ParquetSource
from trainer.pipeline.sources import endings_of
from trainer.sources.date_orders import guessed_dates, settled_types
from trainer.sources.files.csv_problems import check_header, likely_separator, plain_file, why_not
from trainer.sources.files.pandas_index import index_columns
from trainer.sources.files.source_files import find_files, local_files, not_found
from trainer.sources.readers import read_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.pipeline.sources import ColumnType
    from trainer.sources.files.source_files import SourceFile

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "?", "-")
"""Texts that mean a missing value wherever they stand, in any case and with blanks around them."""
WHOLE = r"^[-+]?(0|[1-9]\d*)$"
"""Not with a leading 0, which is a code and no number."""
NUMBER = r"^[-+]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"
LONGEST_WHOLE = 18
"""Digits; a longer one is an id, of which a float would lose digits."""


def understand_source(uri: str) -> tuple[CsvSource | ParquetSource, pl.DataFrame]:
    """A file's source, as a pipeline declares it, and its rows. Raises DataValidationError if it cannot be read.

    Index columns that pandas wrote are among the rows, since one may be the id.
    """
    if uri.lower().endswith((".parquet", ".pq")):
        source: CsvSource | ParquetSource = ParquetSource(uri=uri)
        return source, read_source(source, index_of(uri))[0]
    with _first_file(uri, "csv") as (file, scratch):
        plain = plain_file(file, scratch)
        separator = likely_separator(plain)
        texts = _read_texts(plain, separator)
    missing = _missing_texts(texts)
    types = {name: column_type(texts[name].replace(missing, None)) for name in texts.columns}
    source = CsvSource(uri=uri, separator=separator, missing=missing, types=types)
    return source, read_source(source)[0]


def index_of(uri: str) -> list[str]:
    """Return the index columns of pandas in a Parquet file; none of another kind of file."""
    if not uri.lower().endswith((".parquet", ".pq")):
        return []
    import polars as pl

    with _first_file(uri, "parquet") as (file, _):
        try:
            return index_columns(file.path)
        except (pl.exceptions.PolarsError, OSError):  # reading the rows says what is wrong
            return []


@contextlib.contextmanager
def _first_file(uri: str, kind: str) -> Iterator[tuple[SourceFile, Path]]:
    """The first file at an address, on this machine, and a folder for what has to be put aside."""
    found = find_files(uri, endings_of(kind))
    if not found:
        raise not_found(uri)
    with tempfile.TemporaryDirectory() as scratch, local_files(found[:1], None, Path(scratch)) as (file,):
        yield file, Path(scratch)


def column_type(values: pl.Series) -> ColumnType:
    """The narrowest type that every text (n,) of a column fits; `string` where it has none."""
    texts = values.drop_nulls()
    if texts.is_empty():
        return "string"
    texts = texts.str.strip_chars(" \t")
    if {text.lower() for text in texts.unique().head(3)} <= {"true", "false"}:
        return "boolean"
    if texts.str.contains(WHOLE).all():
        return "integer" if texts.str.len_chars().max() <= LONGEST_WHOLE else "string"  # type: ignore[operator]
    if texts.str.contains(NUMBER).all():
        return "float"
    return _moment_type(values.drop_nulls())


def _moment_type(texts: pl.Series) -> ColumnType:
    """The type of dates; `string` of other texts, and where nothing tells whether the day or the month stands first."""
    if texts.str.contains(r"^\d{4}-\d{2}-\d{2}$").all():
        return "date"
    if texts.str.contains(r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}").all():
        return "datetime"
    rows = [texts.to_frame().lazy()]
    try:
        found = settled_types(rows, guessed_dates(rows, {}), "")
    except DataValidationError:
        return "string"
    return found.get(texts.name, "string")


def _read_texts(file: SourceFile, separator: str) -> pl.DataFrame:
    import polars as pl

    check_header(file, separator, set())
    try:
        return pl.read_csv(file.path, separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise why_not(file, separator, error) from error


def _missing_texts(texts: pl.DataFrame) -> list[str]:
    """Those of the file's texts that mean a missing value, as they stand there."""
    found: set[str] = set()
    for values in texts.iter_columns():
        means = values.is_not_null() & values.str.strip_chars().str.to_lowercase().is_in(MISSING)
        found |= {*values.filter(means).unique()}
    return sorted(found - {""})
