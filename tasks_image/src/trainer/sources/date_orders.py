"""The order of day and month in texts such as 03/04/2026: declared, evident from the values, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.errors import DataValidationError
from trainer.sources.datetimes import YEAR_LAST
from trainer.sources.notes import note

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline.sources import ColumnType
    from trainer.sources.datetimes import Order

MONTHS = 12
WHOLE = r"^\d{1,2}[-/]\d{1,2}[-/]\d{4}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?)?$"
DATE = r"^[-/\d]+$"


def settled_types(parts: list[pl.LazyFrame], types: dict[str, ColumnType], name: str) -> dict[str, ColumnType]:
    """Return the types, with an order of day and month for each `date` and `datetime` whose texts need one.

    `parts` are the rows of files that belong together: all of them have one order. `name` stands in error messages.
    Takes a note of an order that only the values tell. Raises DataValidationError where both orders fit.
    """
    found = dict(types)
    for column, kind in types.items():
        if kind in ("date", "datetime") and (texts := _texts(parts, column)):
            order = order_of(texts, column, kind, name)
            found[column] = f"{kind}_{order}_first" if order else kind  # type: ignore[assignment]
    return found


def guessed_dates(parts: list[pl.LazyFrame], types: dict[str, ColumnType]) -> dict[str, ColumnType]:
    """Return `date` or `datetime` for each column without a type whose texts are all dates with the year last."""
    import polars as pl

    found: dict[str, ColumnType] = {}
    for column, kind in parts[0].collect_schema().items():
        if kind == pl.String and column not in types and _are_dates(texts := _texts(parts, column), column):
            plain = all(_all(rows, pl.col(column).str.contains(DATE)) for rows in texts)
            found[column] = "date" if plain else "datetime"
    return found


def may_be_dates(texts: pl.Series) -> bool:
    """Return whether the first text is a date with the year last, which `guessed_dates` asks of a column first."""
    return bool(texts.head(1).str.contains(WHOLE).any())


def order_of(parts: list[pl.LazyFrame], column: str, kind: str, name: str) -> Order | None:
    """Return what stands first in the texts of a column; None if the year does in all. Raises as `settled_types`."""
    import polars as pl

    texts = pl.concat([rows.select(column) for rows in parts]).filter(pl.col(column).str.contains(YEAR_LAST))
    first, second = (pl.col(column).str.extract(rf"^{before}(\d{{1,2}})").cast(pl.Int8) for before in ("", r"\d{1,2}."))
    counts = texts.select(
        rows=pl.len(),
        day=(first > MONTHS).sum(),
        month=(second > MONTHS).sum(),
        open=((first <= MONTHS) & (second <= MONTHS) & (first != second)).sum(),
        example=pl.col(column).filter((first > MONTHS) | (second > MONTHS)).first(),
        unclear=pl.col(column).filter(first != second).first(),
    )
    found = counts.collect(engine="streaming").row(0, named=True)
    if not found["rows"]:
        return None
    if found["open"] and not found["day"] and not found["month"]:
        raise DataValidationError(
            f"{name}: column {column!r}: {found['open']:,} dates such as {found['unclear']!r} can be read day or "
            f"month first; declare {kind}_day_first or {kind}_month_first under `source.types` (or "
            "string, to keep them as texts)"
        )
    order: Order = "month" if found["month"] > found["day"] else "day"
    if found["example"]:
        note(f"column {column!r}: dates are read with the {order} first, the only order that fits {found['example']!r}")
    return order


def _texts(parts: list[pl.LazyFrame], column: str) -> list[pl.LazyFrame]:
    """The parts in which a column is text."""
    import polars as pl

    return [rows for rows in parts if rows.collect_schema().get(column) == pl.String]


def _are_dates(parts: list[pl.LazyFrame], column: str) -> bool:
    """Whether all texts of a column are dates with the year last; the first text tells of most columns that not."""
    import polars as pl

    text = pl.col(column)
    first = pl.concat([rows.select(text.drop_nulls().head(1)) for rows in parts]).collect(engine="streaming")[column]
    if first.is_empty() or not first.str.contains(WHOLE).all():
        return False
    return all(_all(rows, text.str.contains(WHOLE)) for rows in parts)


def _all(rows: pl.LazyFrame, condition: pl.Expr) -> bool:
    return bool(rows.select(condition.all()).collect(engine="streaming").item())
