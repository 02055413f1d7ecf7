"""Giving columns the types that a pipeline declares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline.data import ColumnType

EXAMPLES = 5


def apply_types(frame: pl.DataFrame, types: dict[str, ColumnType], name: str) -> pl.DataFrame:
    """The frame with its columns cast as declared; `name` stands in error messages.

    Raises DataValidationError if a column is missing, or holds a value that is not of its type (with column, type,
    count and up to five examples). A missing value stays missing.
    """
    for column, kind in types.items():
        if column not in frame.columns:
            raise DataValidationError(
                f"{name}: the column {column!r} is missing{did_you_mean(column, frame.columns)}; "
                "mend the data or `source.types`"
            )
        frame = frame.with_columns(_cast(frame[column], kind, name))
    return frame


def _cast(values: pl.Series, kind: ColumnType, name: str) -> pl.Series:
    cast = _to_boolean(values) if kind == "boolean" else _plain_cast(values, kind)
    lost = values.is_not_null() & cast.is_null()
    if lost.any():
        found = values.filter(lost).unique(maintain_order=True).head(EXAMPLES).to_list()
        comma = "the decimal sign has to be a point; " if all(map(_has_decimal_comma, found)) else ""
        raise DataValidationError(
            f"{name}: column {values.name!r} is declared {kind}, and {lost.sum()} of {len(values)} values are not: "
            f"{', '.join(map(repr, found))}; {comma}mend the data, change `source.types`, or list the text under "
            "`source.missing`"
        )
    return cast


def _has_decimal_comma(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d+,\d+\s*", value) is not None


def _plain_cast(values: pl.Series, kind: ColumnType) -> pl.Series:
    import polars as pl

    if kind in ("date", "datetime") and values.dtype == pl.String:
        parsed = _to_datetime(values)
        return parsed.cast(pl.Date) if kind == "date" else parsed
    if kind == "integer":
        return _whole(values)
    target = {"string": pl.String, "float": pl.Float64, "date": pl.Date, "datetime": pl.Datetime}[kind]
    return values.cast(target, strict=False)


def _to_datetime(values: pl.Series) -> pl.Series:
    import polars as pl

    try:
        return values.str.to_datetime(strict=False)
    except pl.exceptions.ComputeError:  # not one value looks like a date
        return pl.repeat(None, len(values), dtype=pl.Datetime("us"), eager=True).alias(values.name)


def _whole(values: pl.Series) -> pl.Series:
    """Whole numbers; 3.0 is one, 3.5 is not."""
    import polars as pl

    numbers = values.cast(pl.Float64, strict=False)
    fraction = (numbers != numbers.round(0)).fill_null(value=False)
    whole = values.cast(pl.Int64, strict=False) if values.dtype != pl.String else values.str.to_integer(strict=False)
    whole = whole.fill_null(numbers.cast(pl.Int64, strict=False))
    return pl.select(pl.when(~pl.lit(fraction)).then(pl.lit(whole))).to_series().alias(values.name)


def _to_boolean(values: pl.Series) -> pl.Series:
    import polars as pl

    texts = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if values.dtype == pl.Boolean:
        return values
    return values.cast(pl.String).str.to_lowercase().replace_strict(texts, default=None, return_dtype=pl.Boolean)
