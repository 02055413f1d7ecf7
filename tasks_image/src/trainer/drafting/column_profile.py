"""What a table holds, column by column, and what is suspicious about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from trainer.checks.counters import has_counter_name
from trainer.checks.number_texts import find_numbers
from trainer.checks.target_leak import LEAK, score_alone
from trainer.sources.plain_types import why_unusable

if TYPE_CHECKING:
    import polars as pl

    from trainer.problems import Problem

Suspicion = Literal["id", "constant", "counter", "leak", "type", "time", "date", "numbers", "texts"]

ROWS_OF_A_CATEGORY = 10
"""Rows per value, on average, from which the texts of a column are categories."""
MOST_LISTED = 50
SAME = 0.999
"""Share of the rows in which a relation has to hold."""
MOST_PAIRED = 40
ID_WORDS = {"id", "key", "uuid", "guid", "number", "no", "nr", "index", "instant"}
"""Words of a column's name that an id has; `paid` and `width` only hold its letters."""
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
QUANTITY_WORDS = {"price", "amount", "cost", "value", "total", "count", "sum", "of", "size", "area", "sales", "income"}
MOST_WITH_BLANKS = 0.5
"""Share of an id's values that may have a blank inside; others are texts that a person wrote."""
BOTH = 2


@dataclass(frozen=True)
class ColumnProfile:
    """One column."""

    name: str
    type: str
    rows: int
    missing: int
    distinct: int
    low: Any
    """Smallest and largest value of a number or a date; None for texts."""
    high: Any
    categories: tuple[Any, ...]
    """All values of a text that is a category with few of them."""
    is_category: bool = False
    """True for booleans, and for texts with enough rows per value."""
    suspicion: Suspicion | None = None
    why: str = ""


def profile_table(frame: pl.DataFrame, target: str, problem: Problem) -> list[ColumnProfile]:
    """Every column of a table, with what it is suspected of; the target is not suspected."""
    plain = [_describe(values) for values in frame.iter_columns()]
    related = {} if problem.has_classes else related_to_target(frame, target)
    described = []
    dated = False
    for column in plain:
        suspicion, why = (None, "")
        if column.name != target:
            suspicion, why = _suspect(column, frame, target, problem, related, dated=dated)
        dated = dated or suspicion == "time"
        described.append(_with(column, suspicion, why))
    return described


def duplicates(frame: pl.DataFrame) -> int:
    """Rows that are equal to an earlier one."""
    return frame.height - frame.n_unique()


def related_to_target(frame: pl.DataFrame, target: str) -> dict[str, str]:
    """Pairs of numeric columns whose sum, difference, product or ratio is the target: column to the relation."""
    numeric = [name for name in frame.columns if name != target and frame.schema[name].is_numeric()][:MOST_PAIRED]
    goal = frame[target].cast(float)
    found: dict[str, str] = {}
    for first, second in combinations(numeric, BOTH):
        a, b = frame[first].cast(float), frame[second].cast(float)
        for sign, values in (("+", a + b), ("-", a - b), ("*", a * b), ("/", a / b)):
            close = (values - goal).abs() <= 1e-9 * goal.abs() + 1e-12
            if close.sum() >= SAME * frame.height:
                found |= dict.fromkeys((first, second), f"{first} {sign} {second} = {target}")
    return found


def _describe(values: pl.Series) -> ColumnProfile:
    import polars as pl

    present = values.drop_nulls()
    if why_unusable(values.dtype):
        return ColumnProfile(
            values.name, str(values.dtype), len(values), values.null_count(), len(present), None, None, ()
        )
    ordered = values.dtype.is_numeric() or values.dtype.is_temporal()
    distinct = present.n_unique()
    is_category = not ordered and (values.dtype == pl.Boolean or ROWS_OF_A_CATEGORY * distinct <= len(present))
    return ColumnProfile(
        name=values.name,
        type=str(values.dtype),
        rows=len(values),
        missing=values.null_count(),
        distinct=distinct,
        low=present.min() if ordered else None,
        high=present.max() if ordered else None,
        categories=tuple(present.unique().sort()) if is_category and distinct <= MOST_LISTED else (),
        is_category=is_category,
    )


def _suspect(  # noqa: PLR0911
    column: ColumnProfile, frame: pl.DataFrame, target: str, problem: Problem, related: dict[str, str], *, dated: bool
) -> tuple[Suspicion | None, str]:
    import polars as pl

    values = frame[column.name]
    if remedy := why_unusable(values.dtype):
        return "type", f"neither a number, a boolean nor a text: {remedy}"
    if column.distinct <= 1:
        return "constant", "has one value at the most" if column.distinct else "has no value at all"
    if values.dtype.is_temporal():
        return ("date", "a further date; derive numbers from it") if dated else ("time", "when a row was observed")
    if column.name in related:
        return "leak", f"{related[column.name]} in every row: it says the target"
    if has_counter_name(column.name):
        return "counter", "numbers the rows of some file, and says nothing of what a row is about"
    if values.dtype == pl.String and (numbers := find_numbers(values)):
        return "numbers", f"{numbers.count}, but it is text; the numbers are derived below"
    if _is_id(column, values):
        return "id", "a value of its own in every row"
    alone = score_alone(values, frame[target], problem)
    if alone > LEAK:
        return "leak", f"predicts the target alone: {problem.leak_measure} {alone:.3f} on held-out rows"
    if not column.is_category and not values.dtype.is_numeric():
        present = column.rows - column.missing
        return (
            "texts",
            f"{column.distinct:,} different texts in {present:,} rows, which are too few for categories",
        )
    return None, ""


def _is_id(column: ColumnProfile, values: pl.Series) -> bool:
    import polars as pl

    if column.missing or column.distinct < column.rows or values.dtype.is_float():
        return False
    words = {word.lower() for word in WORD.findall(column.name)}
    if values.dtype.is_numeric():
        running = column.high - column.low == column.rows - 1
        return not words & QUANTITY_WORDS and bool(running or words & ID_WORDS)
    if values.dtype == pl.String:
        return float(values.str.strip_chars().str.contains(r"\s").mean()) <= MOST_WITH_BLANKS  # type: ignore[arg-type]
    return True


def _with(column: ColumnProfile, suspicion: Suspicion | None, why: str) -> ColumnProfile:
    return replace(column, suspicion=suspicion, why=why)
