"""What a CSV file's texts stand for: which mean a missing value, and which type a column has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.data.csv_text import check_header, likely_separator, plain_text, why_not
from trainer.data.source_file import read_source
from trainer.jobs.readers import reader_for
from trainer.pipeline import CsvSource, ParquetSource

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline.data import ColumnType

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "?", "-")
"""Texts that mean a missing value wherever they stand, in any case and with blanks around them."""
WHOLE = r"^[-+]?(0|[1-9]\d*)$"
"""Not with a leading 0, which is a code and no number."""
NUMBER = r"^[-+]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][-+]?\d+)?$"
LONGEST_WHOLE = 18


def understand_source(uri: str) -> tuple[CsvSource | ParquetSource, pl.DataFrame]:
    """A file's source, as a pipeline declares it, and its rows. Raises DataValidationError if it cannot be read."""
    if uri.lower().endswith((".parquet", ".pq")):
        source: CsvSource | ParquetSource = ParquetSource(uri=uri)
        frame = reader_for(source).read()
        return source, frame
    text = plain_text(read_source(uri), uri)
    separator = likely_separator(text)
    texts = _read_texts(text, separator, uri)
    missing = _missing_texts(texts)
    types = {name: column_type(texts[name].replace(missing, None)) for name in texts.columns}
    source = CsvSource(uri=uri, separator=separator, missing=missing, types=types)
    return source, reader_for(source).read()


def column_type(values: pl.Series) -> ColumnType:
    """The narrowest type that every text (n,) of a column fits; `string` where it has none."""
    texts = values.drop_nulls()
    if texts.is_empty():
        return "string"
    if {text.lower() for text in texts.unique().head(3)} <= {"true", "false"}:
        return "boolean"
    if texts.str.contains(WHOLE).all() and texts.str.len_chars().max() <= LONGEST_WHOLE:  # type: ignore[operator]
        return "integer"
    if texts.str.contains(NUMBER).all():
        return "float"
    if texts.str.contains(r"^\d{4}-\d{2}-\d{2}$").all():
        return "date"
    return "datetime" if texts.str.contains(r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}").all() else "string"


def _read_texts(text: bytes, separator: str, uri: str) -> pl.DataFrame:
    import polars as pl

    check_header(text, separator, set(), uri)
    try:
        return pl.read_csv(text, separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise why_not(text, separator, uri, error) from error


def _missing_texts(texts: pl.DataFrame) -> list[str]:
    """Those of the file's texts that mean a missing value, as they stand there."""
    found: set[str] = set()
    for values in texts.iter_columns():
        means = values.is_not_null() & values.str.strip_chars().str.to_lowercase().is_in(MISSING)
        found |= {*values.filter(means).unique()}
    return sorted(found - {""})
