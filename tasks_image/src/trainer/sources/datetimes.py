"""Texts that are dates or times: which ways of writing them a column has, and what they stand for."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

Order = Literal["day", "month"]
"""Which of day and month stands first where the year stands last."""

LOOKED_AT = 1000
"""Texts of a column that tell which ways of writing there are, before all are read so."""
YEAR_FIRST, YEAR_LAST = r"^\d{4}[-/]", r"^\d{1,2}[-/]\d{1,2}[-/]\d{4}"
DATES = {
    "year": ("%Y-%m-%d", "%Y/%m/%d"), "day": ("%d-%m-%Y", "%d/%m/%Y"), "month": ("%m-%d-%Y", "%m/%d/%Y"),
}  # fmt: skip
TIMES = ("", "T%H:%M", " %H:%M", "T%H:%M:%S%.f", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p")
ZONED = tuple(time + "%#z" for time in TIMES if time)
ZONES = r"\d:\d{2}.*(Z|[-+]\d{2}:?\d{2})$"
"""How a time ends that says how far it is from UTC."""


def to_datetime(rows: pl.LazyFrame, column: str, order: Order | None = None) -> pl.Expr:
    """The texts of a column as moments, missing where one is none; with offsets they are moments in UTC.

    The year may stand first. Where it stands last, `order` says what stands first; without, such a text is no moment.
    The first texts tell whether there are offsets; then all are read so.
    """
    import polars as pl

    texts = pl.col(column)
    first = rows.select(texts.drop_nulls().head(LOOKED_AT)).collect(engine="streaming").to_series()
    zoned = bool(first.str.contains(ZONES).any())
    forms = {YEAR_FIRST: _ways("year", zoned=zoned)} | ({YEAR_LAST: _ways(order, zoned=zoned)} if order else {})
    seen = {
        begins: [way for way in ways if first.str.to_datetime(way, strict=False).is_not_null().any()]
        for begins, ways in forms.items()
    }
    read = _read(texts, seen)
    missed = rows.select((texts.is_not_null() & read.is_null()).any()).collect(engine="streaming").item()
    return _read(texts, forms) if missed else read


def _ways(order: str, *, zoned: bool) -> list[str]:
    return [date + time for date, time in product(DATES[order], ZONED if zoned else TIMES)]


def _read(texts: pl.Expr, forms: dict[str, list[str]]) -> pl.Expr:
    """The texts of each form, by how they begin, read in the first of its ways that fits."""
    import polars as pl

    found: list[pl.Expr] = [
        pl.when(texts.str.contains(begins)).then(
            pl.coalesce(texts.str.to_datetime(way, strict=False, time_unit="us") for way in ways)
        )
        for begins, ways in forms.items()
        if ways
    ]
    return pl.when(texts.is_not_null()).then(pl.coalesce(found or [pl.lit(None, pl.Datetime("us"))]))
