"""What of a table each check looks at, so that only that is held in memory while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.data.check_results import columns_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from trainer.pipeline import Check

ABOUT_COLUMNS = ("expect_table_", "expect_column_to_exist")
"""Expectations for which an absent column is a finding, not a mistake."""
TYPE_CHECKS = ("expect_column_values_to_be_in_type_list", "expect_column_values_to_be_of_type")


@dataclass(frozen=True)
class Part:
    """What some of the checks look at."""

    table: str
    columns: tuple[str, ...]
    """Those whose values are looked at."""
    about: str
    """`values`; `types`, for which missing values are filled; `table`, for which all columns are there, by name."""


def numbers_by_part(checks: list[Check], absent: dict[int, list[str]]) -> dict[Part, list[int]]:
    """The checks, by their numbers, that look at the same; those of columns that are absent are left out."""
    by_part: dict[Part, list[int]] = {}
    for number, check in enumerate(checks):
        if not absent[number]:
            by_part.setdefault(_part(check), []).append(number)
    return by_part


def _part(check: Check) -> Part:
    conditions = _condition_columns(check.kwargs.get("row_condition"))
    if check.check.startswith(ABOUT_COLUMNS):
        return Part(check.of, tuple(sorted({*conditions})), "table")
    about = "types" if check.check in TYPE_CHECKS else "values"
    return Part(check.of, tuple(sorted({*columns_of(check), *conditions})), about)


def _condition_columns(condition: Any) -> list[str]:
    if isinstance(condition, dict):
        own = condition.get("column")
        named = [own["name"]] if isinstance(own, dict) and "name" in own else []
        return [*named, *(column for inner in condition.values() for column in _condition_columns(inner))]
    if isinstance(condition, list):
        return [column for inner in condition for column in _condition_columns(inner)]
    return []


def as_pandas(rows: pl.LazyFrame, part: Part) -> pd.DataFrame:
    """A part as Great Expectations gets it: integers with missing values become floats, other types stay.

    Pandas' nullable integers would keep their type but make comparisons of two columns fail. So types are judged on a
    table of their own, in which missing integers and booleans are filled: only the type is looked at there.
    """
    import polars as pl
    import polars.selectors as cs

    names = rows.collect_schema().names()
    frame = rows.select(column for column in part.columns if column in names).collect()
    if part.about == "types":
        frame = frame.with_columns(cs.integer().fill_null(0), cs.boolean().fill_null(value=False))
    values = frame.with_columns(
        (cs.categorical() | cs.enum()).cast(pl.String),
        cs.decimal().cast(pl.Float64),
        cs.date().cast(pl.Datetime("us")),
        cs.datetime().dt.cast_time_unit("us"),
    )
    # To find equal texts takes more room than it saves where most differ, as those of an id do.
    texts = values.select(cs.string().approx_n_unique())
    few = all(number.item() < values.height / 2 for number in texts)
    found = values.to_pandas(deduplicate_objects=few)
    return _among_all(found, rows) if part.about == "table" else found


def _among_all(values: pd.DataFrame, rows: pl.LazyFrame) -> pd.DataFrame:
    """The columns among all others of the table, of which only the names and the number of rows are there."""
    import numpy as np
    import pandas as pd
    import polars as pl

    names = rows.collect_schema().names()
    nothing = np.zeros((int(rows.select(pl.len()).collect().item()), 1), dtype=bool)
    return pd.DataFrame({name: values[name] if name in values else nothing[:, 0] for name in names}, copy=False)
