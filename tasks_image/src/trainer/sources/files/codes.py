"""Columns of codes in CSV files: digits with leading zeros, such as 01067, which a number would lose."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from trainer.sources.notes import note

if TYPE_CHECKING:
    import polars as pl

    from trainer.pipeline import Source
    from trainer.sources.files.source_files import SourceFile

LEADING_ZERO = r"^-?0\d+$"


def with_codes_as_strings(files: list[SourceFile], source: Source, options: dict[str, Any]) -> Source:
    """Return the source with the type `string` for each column of codes of which it declares nothing.

    A column of codes holds numbers only, at least one of which begins with a 0 that another digit follows. All values
    of all files are looked at; `options` are those of Polars' `scan_csv`. Takes a note of each such column. The parts
    of `source.dates`, such as the month 01, are numbers.
    """
    import polars as pl

    parts = {part for date in source.dates.values() for part in date.columns}
    codes: dict[str, str] = {}
    for file in files:
        try:
            rows = pl.scan_csv(file.path, infer_schema=False, **options)
            names = {name: source.rename.get(name, name) for name in rows.collect_schema()}
            names = {name: new for name, new in names.items() if new not in {*source.types, *parts}}
            codes |= {names[name]: example for name, example in _codes(rows, list(names)).items()}
        except pl.exceptions.PolarsError:  # reading the rows says what is wrong
            continue
    for name, example in codes.items():
        note(
            f"column {name!r}: values such as {example!r} have leading zeros, so they are kept as strings; declare it "
            "string under `source.types`, or integer if it is a number",
            logging.WARNING,
        )
    return source.model_copy(update={"types": {**dict.fromkeys(codes, "string"), **source.types}}) if codes else source


def _codes(rows: pl.LazyFrame, columns: list[str]) -> dict[str, str]:
    """The columns that hold codes, and the first with a leading zero."""
    import polars as pl

    padded = rows.select(pl.col(columns).str.contains(LEADING_ZERO).any()).collect(engine="streaming")
    found = [name for name in columns if padded[name].item()]
    if not found:
        return {}
    numbers = [_is_number(name).all().name.prefix("number ") for name in found]
    first = [pl.col(name).filter(pl.col(name).str.contains(LEADING_ZERO)).first() for name in found]
    looked_at = rows.select(*numbers, *first).collect(engine="streaming").row(0, named=True)
    return {name: looked_at[name] for name in found if looked_at[f"number {name}"]}


def _is_number(name: str) -> pl.Expr:
    import polars as pl

    return pl.col(name).cast(pl.Float64, strict=False).is_not_null() | pl.col(name).is_null()
