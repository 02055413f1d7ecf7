"""Columns of strings that are numbers but for a few, or but for how they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.checks.inputs import input_warning
from trainer.tables.parquet import column_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from trainer.pipeline import Pipeline
    from trainer.run.records import CheckResult

CHECK = "input_is_not_numbers_as_text"
MOST = 0.9
"""Share of the values that are numbers, from which a column of strings is taken for one of numbers."""
EXAMPLES = 3
PLAIN = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
CODE = r"^\s*-?0\d+\s*$"
WRITTEN = r"^\s*[-+]?[$€£¥]?\s*[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?\s*[$€£¥%]?\s*$"
"""With a sign of a currency, a per cent sign, or commas between thousands."""
DECIMAL_COMMA = r"^\s*[-+]?[$€£¥]?\s*[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?\s*[$€£¥%]?\s*$"
SIGNS = r"[$€£¥%\s]"


def numbers_as_texts(pipeline: Pipeline, rows: pl.LazyFrame) -> Iterator[CheckResult]:
    """Yield a warning for each input of strings, not declared in `source.types`, nearly all of which are numbers."""
    import polars as pl

    for name, kind in rows.collect_schema().items():
        if kind == pl.String and name not in pipeline.columns.not_inputs and name not in pipeline.source.types:
            values = column_of(rows, name)
            if found := how_many_numbers(values):
                message = f"{found}; each different value is a category until then, unless it is declared string there"
                yield input_warning(CHECK, name, "validity", message, _not_plain(values).head(EXAMPLES).to_list())


def how_many_numbers(values: pl.Series) -> str:
    """Return how many of the strings (n,) are numbers, and how to read them; an empty string if they are not numbers.

    Digits with leading zeros are codes, and not numbers.
    """
    known = values.drop_nulls()
    if not len(known) or known.str.contains(CODE).any():
        return ""
    written = next((one for one in (WRITTEN, DECIMAL_COMMA) if _numbers(known, one).mean() >= MOST), None)  # type: ignore[operator]
    if written is None:
        return ""
    numbers = _numbers(known, written)
    others, other_numbers = _not_plain(known.filter(~numbers)), _not_plain(known.filter(numbers))
    remedies = []
    if len(others):
        rest = f" and {len(others) - EXAMPLES} others" if len(others) > EXAMPLES else ""
        remedies.append(f"list {', '.join(map(repr, others.head(EXAMPLES)))}{rest} under source.missing")
    if len(other_numbers):
        expression = _expression(other_numbers, comma=written == DECIMAL_COMMA)
        remedies.append(f"derive a number from it under features.derive: {expression}, and put it under columns.exclude")
    declare = "declare it float or integer under source.types"
    return (
        f"{int(numbers.sum()):,} of {len(known):,} values are numbers: "
        f"{', and '.join(remedies if len(other_numbers) else [*remedies, declare])}"
    )


def _numbers(known: pl.Series, written: str) -> pl.Series:
    return known.str.contains(PLAIN) | known.str.contains(written)


def _not_plain(values: pl.Series) -> pl.Series:
    return values.filter(~values.str.contains(PLAIN)).unique(maintain_order=True)


def _expression(values: pl.Series, *, comma: bool) -> str:
    """The SQL that reads numbers written in this way."""
    signs = sorted({sign for found in values.str.extract_all(SIGNS).to_list() for sign in found})
    replaced = [*((sign, "") for sign in signs), *([(".", ""), (",", ".")] if comma else [(",", "")])]
    text = f'"{values.name}"'
    for old, new in replaced:
        if values.str.contains(old, literal=True).any():
            text = f"REPLACE({text}, '{old}', '{new}')"
    return f"TRY_CAST({text} AS DOUBLE)"
