"""Texts that are dates or times: which way of writing them a column has, and what they stand for."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

LOOKED_AT = 1000
"""Texts of a column that tell how its dates are written, before all are read so."""
YEAR_FIRST, DAY_FIRST = r"^\d{4}[-/]", r"^\d{1,2}[-/]\d{1,2}[-/]\d{4}"
DATES = {YEAR_FIRST: ("%Y-%m-%d", "%Y/%m/%d"), DAY_FIRST: ("%d-%m-%Y", "%d/%m/%Y")}
TIMES = ("", "T%H:%M", " %H:%M", "T%H:%M:%S%.f", " %H:%M:%S%.f")
ZONED = tuple(time + "%#z" for time in TIMES if time)
ZONES = r"\d:\d{2}.*(Z|[-+]\d{2}:?\d{2})$"
"""How a time ends that says how far it is from UTC."""


def to_datetime(rows: pl.LazyFrame, column: str) -> pl.Expr:
    """The texts of a column as moments, missing where one is none; with offsets they are moments in UTC.

    The first texts tell, by their majority, whether the year or the day stands first, and whether there are offsets;
    then all are read so. A month never stands first: 01/02/2026 is the first of February.
    """
    import polars as pl

    texts = pl.col(column)
    first = rows.select(texts.drop_nulls().head(LOOKED_AT)).collect(engine="streaming").to_series()
    order = max(YEAR_FIRST, DAY_FIRST, key=lambda begins: first.str.contains(begins).sum())
    zoned = bool(first.str.contains(ZONES).any())
    ways = [date + time for date, time in product(DATES[order], ZONED if zoned else TIMES)]
    seen = [way for way in ways if first.str.to_datetime(way, strict=False).is_not_null().any()]
    read = _read(texts, order, seen)
    missed = rows.select((texts.is_not_null() & read.is_null()).any()).collect(engine="streaming").item()
    return _read(texts, order, ways) if missed else read


def _read(texts: pl.Expr, order: str, ways: list[str]) -> pl.Expr:
    """The texts that begin so, read in the first of the ways that fits."""
    import polars as pl

    read = [texts.str.to_datetime(way, strict=False, time_unit="us") for way in ways]
    return pl.when(texts.str.contains(order)).then(pl.coalesce(read or [pl.lit(None, pl.Datetime("us"))]))
