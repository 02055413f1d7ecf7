"""What of a table each check looks at, so that only that is held in memory while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.checks.results import columns_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from trainer.pipeline import Check

ABOUT_COLUMNS = ("expect_table_", "expect_column_to_exist")
"""Expectations for which an absent column is a finding, not a mistake."""
TYPE_CHECKS = ("expect_column_values_to_be_in_type_list", "expect_column_values_to_be_of_type")


MOST_TEXTS = 2_000_000
"""So many different ones may be held as categories: that takes more room than they take by themselves."""
MOST_CELLS = 30_000_000
"""Values that are held as Pandas has them, at 8 to 60 bytes each."""


@dataclass(frozen=True)
class CheckBatch:
    """What some of the checks look at."""

    table: str
    columns: tuple[str, ...]
    """Those whose values are looked at."""
    about: str
    """`values`; `types`, for which missing values are filled; `table`, for which all columns are there, by name."""


def numbers_by_part(
    checks: list[Check], absent: dict[int, list[str]], heights: dict[str, int]
) -> dict[CheckBatch, list[int]]:
    """The checks, by their numbers, that are run together; those of columns that are absent are left out.

    `heights` are the rows of the tables: as many columns come together as have no more than `MOST_CELLS` values.
    """
    by_part: dict[CheckBatch, list[int]] = {}
    for number, check in enumerate(checks):
        if not absent[number]:
            by_part.setdefault(_part(check), []).append(number)
    merged: list[tuple[CheckBatch, list[int]]] = []
    for part, numbers in sorted(by_part.items(), key=lambda item: (item[0].table, item[0].about, item[0].columns)):
        whole = _merged(merged[-1][0], part, heights[part.table]) if merged else None
        if whole is None:
            merged.append((part, numbers))
        else:
            merged[-1] = whole, [*merged[-1][1], *numbers]
    return dict(merged)


def _merged(one: CheckBatch, other: CheckBatch, rows: int) -> CheckBatch | None:
    """The part that two parts make, or None where it would be too large or they are of different kinds."""
    columns = tuple(sorted({*one.columns, *other.columns}))
    if (one.table, one.about) != (other.table, other.about) or len(columns) * rows > MOST_CELLS:
        return None
    return CheckBatch(one.table, columns, one.about)


def _part(check: Check) -> CheckBatch:
    conditions = condition_columns(check.kwargs.get("row_condition"))
    if check.check.startswith(ABOUT_COLUMNS):
        return CheckBatch(check.of, tuple(sorted({*conditions})), "table")
    about = "types" if check.check in TYPE_CHECKS else "values"
    return CheckBatch(check.of, tuple(sorted({*columns_of(check), *conditions})), about)


def condition_columns(condition: Any) -> list[str]:
    """Return the columns that a `row_condition` names."""
    if isinstance(condition, dict):
        own = condition.get("column")
        named = [own["name"]] if isinstance(own, dict) and "name" in own else []
        return [*named, *(column for inner in condition.values() for column in condition_columns(inner))]
    if isinstance(condition, list):
        return [column for inner in condition for column in condition_columns(inner)]
    return []


def as_pandas(rows: pl.LazyFrame, part: CheckBatch) -> pd.DataFrame:
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
    found = _pandas(values, with_categories=part.about == "values")
    return _among_all(found, rows) if part.about == "table" else found


def _pandas(values: pl.DataFrame, *, with_categories: bool) -> pd.DataFrame:
    """The columns as Pandas has them, but for texts as its categories where that is wanted."""
    import pandas as pd
    import polars as pl

    columns: dict[str, Any] = {}
    for column in values:
        made: Any = _categories(column) if with_categories and column.dtype == pl.String else None
        if made is None:
            # To find equal texts takes more room than it saves where most differ, as those of an id do.
            made = column.to_frame().to_pandas(deduplicate_objects=not with_categories)[column.name]
        columns[column.name] = made
    return pd.DataFrame(columns, copy=False)


def _categories(column: pl.Series) -> pd.Categorical | None:
    """Texts as categories, where most are repeated, or where none is and there are not too many."""
    import numpy as np
    import pandas as pd
    import polars as pl

    if _differing(column) < len(column) / 2:
        texts = column.unique().drop_nulls()
        codes = column.cast(pl.Enum(texts)).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
    elif len(column) <= MOST_TEXTS and column.n_unique() == len(column) and not column.has_nulls():
        texts, codes = column, np.arange(len(column), dtype=np.int32)
    else:
        return None
    return pd.Categorical.from_codes(codes, pd.Index(texts.to_list(), dtype=object))


def _differing(column: pl.Series) -> int:
    """About how many different values there are."""
    import polars as pl

    return int(column.to_frame().select(pl.all().approx_n_unique()).item())


def _among_all(values: pd.DataFrame, rows: pl.LazyFrame) -> pd.DataFrame:
    """The columns among all others of the table, of which only the names and the number of rows are there."""
    import numpy as np
    import pandas as pd
    import polars as pl

    names = rows.collect_schema().names()
    nothing = np.zeros((int(rows.select(pl.len()).collect().item()), 1), dtype=bool)
    return pd.DataFrame({name: values[name] if name in values else nothing[:, 0] for name in names}, copy=False)
