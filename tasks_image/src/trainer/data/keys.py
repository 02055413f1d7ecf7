"""By what a row is known again, in this run and in every later one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

KEY_BYTES = 8
EXAMPLES = 5


def row_keys(frame: pl.DataFrame, id_column: str | None) -> pl.Series:
    """A key of 16 hexadecimal digits per row: BLAKE2b of the id as text, or of the whole row where there is no id.

    Raises DataValidationError if the id column is absent, an id is missing, or one stands there twice.
    """
    import polars as pl

    texts = _row_texts(frame) if id_column is None else _ids(frame, id_column)
    keys = [hashlib.blake2b(text.encode(), digest_size=KEY_BYTES).hexdigest() for text in texts.to_list()]
    return pl.Series("__key__", keys, dtype=pl.String)


def fingerprint(keys: Iterable[str]) -> str:
    """The SHA-256 of a set of row keys, whatever their order."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()


def _ids(frame: pl.DataFrame, column: str) -> pl.Series:
    import polars as pl

    if column not in frame.columns:
        raise DataValidationError(f"columns.id: there is no column {column!r}{did_you_mean(column, frame.columns)}")
    values = frame[column].fill_nan(None) if frame.schema[column].is_float() else frame[column]
    if absent := values.null_count():
        raise DataValidationError(
            f"columns.id: {column!r} is missing in {absent} of {frame.height} rows; every row needs an id"
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


def _row_texts(frame: pl.DataFrame) -> pl.Series:
    """Each row as one text: every value with its length in front, so that no two different rows give the same text.

    Columns go by name, so their order does not matter.
    """
    import polars as pl

    if frame.width == 0:
        raise DataValidationError("the table has no columns: its rows cannot be told apart")
    return frame.select(pl.concat_str(_with_length(frame[name]) for name in sorted(frame.columns)).alias("row"))["row"]


def _with_length(values: pl.Series) -> pl.Series:
    import polars as pl

    try:
        texts = values.bin.encode("hex") if values.dtype == pl.Binary else values.cast(pl.String)
    except pl.exceptions.PolarsError as error:
        raise DataValidationError(
            f"column {values.name!r} ({values.dtype}) has no text form, so rows cannot be told apart by their content; "
            f"name an id under columns.id"
        ) from error
    return (texts.str.len_bytes().cast(pl.String) + ":" + texts).fill_null("-").alias(values.name)
