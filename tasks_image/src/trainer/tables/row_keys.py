"""By what a row is known again, in this run and in every later one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline import did_you_mean
from trainer.tables.parquet import column_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

KEY_BYTES = 8
BATCH_ROWS = 1 << 17
"""Rows whose keys are computed at a time: as texts of Python they take ten times the room."""
EXAMPLES = 5


def row_keys(rows: pl.DataFrame | pl.LazyFrame, id_column: str | None) -> pl.Series:
    """A key of 16 hexadecimal digits per row: BLAKE2b of the id as text, or of the whole row where there is no id.

    Of lazy rows a batch at a time is held in memory, beside the ids.

    Raises DataValidationError if the id column is absent, an id is missing, or one stands there twice.
    """
    import polars as pl

    lazy = rows.lazy()
    batches = _row_texts(lazy) if id_column is None else _batches(_ids(lazy, id_column))
    keys = pl.Series("__key__", [], dtype=pl.String)
    for texts in batches:
        digests = (hashlib.blake2b(text.encode(), digest_size=KEY_BYTES) for text in texts)
        keys.append(pl.Series([digest.hexdigest() for digest in digests], dtype=pl.String))
    return keys


def fingerprint(keys: pl.Series) -> str:
    """The SHA-256 of a set of row keys, whatever their order."""
    digest = hashlib.sha256()
    for at, batch in enumerate(_batches(keys.sort())):
        digest.update(("\n" * (at > 0) + "\n".join(batch)).encode())
    return digest.hexdigest()


def _batches(values: pl.Series) -> Iterator[pl.Series]:
    return (values.slice(begin, BATCH_ROWS) for begin in range(0, len(values), BATCH_ROWS))


def _ids(rows: pl.LazyFrame, column: str) -> pl.Series:
    import polars as pl

    known = rows.collect_schema().names()
    if column not in known:
        raise DataValidationError(f"columns.id: there is no column {column!r}{did_you_mean(column, known)}")
    values = column_of(rows, column)
    if absent := values.null_count():
        raise DataValidationError(
            f"columns.id: {column!r} is missing in {absent} of {len(values)} rows; every row needs an id"
        )
    ids = values.cast(pl.String)
    if (twice := ids.is_duplicated()).any():
        repeated = ids.filter(twice).unique(maintain_order=True)
        examples = ", ".join(repr(value) for value in repeated.head(EXAMPLES))
        raise DataValidationError(
            f"columns.id: {len(repeated)} ids of {column!r} stand in more than one row: {examples}; "
            f"remove the repeats, or choose another id"
        )
    return ids


def _row_texts(rows: pl.LazyFrame) -> Iterator[pl.Series]:
    """Each row as one text: every value with its length in front, so that no two different rows give the same text.

    Columns go by name, so their order does not matter.
    """
    import polars as pl

    names = sorted(rows.collect_schema().names())
    if not names:
        raise DataValidationError("the table has no columns: its rows cannot be told apart")
    height = int(rows.select(pl.len()).collect().item())
    for begin in range(0, height, BATCH_ROWS):
        batch = rows.slice(begin, BATCH_ROWS).collect()
        yield batch.select(pl.concat_str(_with_length(batch[name]) for name in names).alias("row"))["row"]


def _with_length(values: pl.Series) -> pl.Series:
    import polars as pl

    try:
        texts = _texts(values)
    except pl.exceptions.PolarsError as error:
        raise DataValidationError(
            f"column {values.name!r} ({values.dtype}) has no text form, so rows cannot be told apart by their content; "
            f"name an id under columns.id"
        ) from error
    return (texts.str.len_bytes().cast(pl.String) + ":" + texts).fill_null("-").alias(values.name)


def _texts(values: pl.Series) -> pl.Series:
    import polars as pl

    if values.dtype == pl.Binary:
        return values.bin.encode("hex")
    if values.dtype == pl.Duration:
        return values.to_physical().cast(pl.String)
    if values.dtype.is_nested():
        return values.to_frame().select(pl.struct(pl.all()).struct.json_encode()).to_series()
    return values.cast(pl.String)
