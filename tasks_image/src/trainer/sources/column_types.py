"""Giving columns the names and the types that a pipeline declares, a batch of rows at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from trainer.errors import DataValidationError
from trainer.pipeline import did_you_mean
from trainer.sources.date_orders import settled_types
from trainer.sources.datetimes import to_datetime
from trainer.sources.plain_types import in_utc, plain_casts, why_unusable, zone_of

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline.sources import ColumnType
    from trainer.sources.datetimes import Order

EXAMPLES = 5


def apply_names(rows: pl.LazyFrame, rename: dict[str, str], name: str) -> pl.LazyFrame:
    """The rows with columns renamed; `name` stands in error messages.

    Raises DataValidationError where a column to rename is missing, or two would have one name.
    """
    columns = rows.collect_schema().names()
    absent = [column for column in rename if column not in columns]
    if absent:
        raise DataValidationError(
            f"{name}: columns to rename are missing: {', '.join(absent)}{did_you_mean(absent[0], columns)}; "
            "mend the data or `source.rename`"
        )
    clashing = [new for new in rename.values() if new in columns and new not in rename]
    if clashing:
        raise DataValidationError(
            f"{name}: source.rename gives columns a name that another one has already: {', '.join(clashing)}; "
            "choose another name, or rename that one too"
        )
    return rows.rename(rename) if rename else rows


def apply_types(
    rows: pl.LazyFrame, types: dict[str, ColumnType], name: str, looked_at: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """The rows with columns cast as declared, the very same where all are so already; `name` stands in error messages.

    Columns that are not declared get a type that every step understands, if there is one: see `plain_casts`.
    Looks at all values of the columns that are cast: those in `looked_at`, if given, which holds the same rows and is
    faster to read. Raises DataValidationError if a column is missing, or holds a value that is not of its type (with
    column, type, count and up to five examples). A missing value stays missing.
    """
    import polars as pl

    types = settled_types([rows if looked_at is None else looked_at], types, name)
    schema = rows.collect_schema()
    for column in types:
        if column not in schema:
            raise DataValidationError(
                f"{name}: the column {column!r} is missing{did_you_mean(column, schema)}; "
                "mend the data or `source.types`"
            )
    rows, schema = _categories_as_texts(
        rows, [column for column in types if schema[column] in (pl.Categorical, pl.Enum)]
    )
    wanted = _kinds()
    values = rows if looked_at is None else looked_at
    casts = {
        column: _cast(values, column, schema[column], kind)
        for column, kind in types.items()
        if schema[column] != wanted[kind]
    }
    _refuse_lost(values, casts, types, name)
    casts |= plain_casts(rows, {*types})
    return rows.with_columns(**casts) if casts else rows


def _categories_as_texts(rows: pl.LazyFrame, columns: list[str]) -> tuple[pl.LazyFrame, pl.Schema]:
    import polars as pl

    rows = rows.with_columns(pl.col(columns).cast(pl.String)) if columns else rows
    return rows, rows.collect_schema()


def _kinds() -> dict[ColumnType, pl.DataType | type[pl.DataType]]:
    import polars as pl

    return {
        "string": pl.String, "integer": pl.Int64, "float": pl.Float64, "boolean": pl.Boolean, "date": pl.Date,
        "datetime": pl.Datetime("us"), "date_day_first": pl.Date, "date_month_first": pl.Date,
        "datetime_day_first": pl.Datetime("us"), "datetime_month_first": pl.Datetime("us"),
    }  # fmt: skip


def _refuse_lost(rows: pl.LazyFrame, casts: dict[str, pl.Expr], types: dict[str, ColumnType], name: str) -> None:
    import polars as pl

    if not casts:
        return
    lost = {column: pl.col(column).is_not_null() & cast.is_null() for column, cast in casts.items()}
    counts = rows.select(pl.len().alias(""), **{column: which.sum() for column, which in lost.items()})
    try:
        (total, *numbers) = counts.collect(engine="streaming").row(0)
    except (pl.exceptions.InvalidOperationError, pl.exceptions.ComputeError) as error:
        _refuse_impossible(rows.collect_schema(), casts, types, name, error)
        raise
    for column, number in zip(lost, numbers, strict=True):
        if number:
            raise _misfits(rows.filter(lost[column]).select(column), types[column], number, f"{total} values", name)


def _refuse_impossible(
    schema: pl.Schema, casts: dict[str, pl.Expr], types: dict[str, ColumnType], name: str, error: Exception
) -> None:
    """Raise DataValidationError for the first column whose type makes a cast fail as a whole."""
    for column in casts:
        if remedy := why_unusable(schema[column]):
            raise DataValidationError(
                f"{name}: column {column!r} is {schema[column]}, which cannot become {types[column]}: "
                f"{str(error).splitlines()[0]}; {remedy}, or change `source.types`"
            ) from error


def _misfits(wrong: pl.LazyFrame, kind: str, number: int, of: str, name: str) -> DataValidationError:
    values = wrong.unique(maintain_order=True).head(EXAMPLES).collect(engine="streaming").to_series()
    found = values.to_list()
    comma = "the decimal sign has to be a point; " if all(map(_has_decimal_comma, found)) else ""
    return DataValidationError(
        f"{name}: column {values.name!r} is declared {kind}, and {number} of {of} are not: "
        f"{', '.join(map(repr, found))}; {comma}mend the data, change `source.types`, or list the text under "
        "`source.missing`"
    )


def _has_decimal_comma(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d+,\d+\s*", value) is not None


def _cast(rows: pl.LazyFrame, column: str, found: pl.DataType, kind: ColumnType) -> pl.Expr:
    """The column as of that kind, missing where a value is not."""
    import polars as pl

    values = pl.col(column)
    if found == pl.String and kind in ("integer", "float", "boolean"):
        values = values.str.strip_chars(" \t")
    if kind == "boolean":
        return _to_boolean(values)
    if kind == "integer":
        return _whole(values, found)
    is_moment = kind.startswith("date")
    if is_moment and found == pl.String:
        values = to_datetime(rows, column, _order(kind))
        found = rows.select(values.alias(column)).collect_schema()[column]
    if is_moment and (zone := zone_of(found)):
        values = _instants(values, column, zone, kind)
    return values.cast(_kinds()[kind], strict=False)


def _order(kind: ColumnType) -> Order | None:
    return "day" if kind.endswith("_day_first") else "month" if kind.endswith("_month_first") else None


def _instants(values: pl.Expr, column: str, zone: str, kind: ColumnType) -> pl.Expr:
    if not kind.startswith("datetime"):
        raise DataValidationError(
            f"column {column!r} is declared date and holds timestamps with a time zone ({zone}), whose day depends on "
            "the zone; declare it datetime, which keeps the instants in UTC, or write the days into the data"
        )
    return in_utc(values, column, zone)


def _whole(values: pl.Expr, found: pl.DataType) -> pl.Expr:
    """Whole numbers; 3.0 is one, 3.5 is not."""
    import polars as pl

    numbers = values.cast(pl.Float64, strict=False)
    fraction = (numbers != numbers.round(0)).fill_null(value=False)
    whole = values.str.to_integer(strict=False) if found == pl.String else values.cast(pl.Int64, strict=False)
    return pl.when(~fraction).then(whole.fill_null(numbers.cast(pl.Int64, strict=False)))


def _to_boolean(values: pl.Expr) -> pl.Expr:
    import polars as pl

    texts = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}
    return values.cast(pl.String).str.to_lowercase().replace_strict(texts, default=None, return_dtype=pl.Boolean)
