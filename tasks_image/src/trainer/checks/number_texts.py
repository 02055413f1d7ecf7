"""Columns of strings that are numbers but for a few, or but for how they are written."""

from __future__ import annotations

from dataclasses import dataclass
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
CODE = r"^\s*-?(0\d+|\d{16,})\s*$"
"""With a leading zero, or with more digits than a float has."""
WRITTEN = r"^\s*[-+]?[$€£¥]?\s*[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?\s*[$€£¥%]?\s*$"
"""With a sign of a currency, a per cent sign, or commas between thousands."""
DECIMAL_COMMA = r"^\s*[-+]?[$€£¥]?\s*[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?\s*[$€£¥%]?\s*$"
SIGNS = r"[$€£¥%\s]"


@dataclass(frozen=True)
class NumberTexts:
    """Strings that are numbers."""

    numbers: int
    values: int
    others: list[str]
    """The strings that are not numbers, each once."""
    expression: str
    """SQL that makes numbers of them."""
    is_plain: bool
    """If all numbers are written as Polars reads them."""

    @property
    def count(self) -> str:
        """The number of numbers, in words."""
        return f"{self.numbers:,} of {self.values:,} values are numbers"

    def __str__(self) -> str:
        remedies = []
        if self.others:
            rest = f" and {len(self.others) - EXAMPLES} others" if len(self.others) > EXAMPLES else ""
            remedies.append(f"list {', '.join(map(repr, self.others[:EXAMPLES]))}{rest} under source.missing")
        if self.is_plain:
            remedies.append("declare it float or integer under source.types")
        else:
            remedies.append(f"derive {self.expression} under features.derive, and put it under columns.exclude")
        return f"{self.count}: {', and '.join(remedies)}"


def numbers_as_texts(pipeline: Pipeline, rows: pl.LazyFrame) -> Iterator[CheckResult]:
    """Yield a warning for each input of strings, not declared in `source.types`, nearly all of which are numbers."""
    import polars as pl

    for name, kind in rows.collect_schema().items():
        if kind == pl.String and name not in pipeline.columns.not_inputs and name not in pipeline.source.types:
            values = column_of(rows, name)
            if found := find_numbers(values):
                message = f"{found}; each different value is a category until then, unless it is declared string there"
                yield input_warning(CHECK, name, "validity", message, _not_plain(values).head(EXAMPLES).to_list())


def find_numbers(values: pl.Series) -> NumberTexts | None:
    """Return the numbers among strings (n,); None if fewer than nine in ten are numbers, or any is a code."""
    known = values.drop_nulls()
    if not len(known) or known.str.contains(CODE).any():
        return None
    written = next((one for one in (WRITTEN, DECIMAL_COMMA) if _numbers(known, one).mean() >= MOST), None)  # type: ignore[operator]
    if written is None:
        return None
    numbers = _numbers(known, written)
    not_plain = _not_plain(known.filter(numbers))
    return NumberTexts(
        numbers=int(numbers.sum()),
        values=len(known),
        others=_not_plain(known.filter(~numbers)).to_list(),
        expression=_expression(not_plain, comma=written == DECIMAL_COMMA),
        is_plain=not len(not_plain),
    )


def _numbers(known: pl.Series, written: str) -> pl.Series:
    return known.str.contains(PLAIN) | known.str.contains(written)


def _not_plain(values: pl.Series) -> pl.Series:
    return values.filter(~values.str.contains(PLAIN)).unique(maintain_order=True)


def _expression(values: pl.Series, *, comma: bool) -> str:
    """The SQL that reads numbers written in this way."""
    signs = sorted({sign for found in values.str.extract_all(SIGNS).to_list() for sign in found})
    replaced = [*((sign, "") for sign in signs), *([(".", ""), (",", ".")] if comma else [(",", "")])]
    text = '"' + values.name.replace('"', '""') + '"'
    for old, new in replaced:
        if values.str.contains(old, literal=True).any():
            text = f"REPLACE({text}, '{old}', '{new}')"
    return f"TRY_CAST({text} AS DOUBLE)"
