"""Rows of a snapshot that production has not learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["newer", "unknown", "all"]


@dataclass(frozen=True)
class NewRows:
    """Rows, and by what they are new."""

    rows: pl.LazyFrame
    kind: Kind
    """`newer` than all that production knows, `unknown` to it by their id or content, or `all`, since none is new."""


def new_rows(reference: pl.LazyFrame, current: pl.LazyFrame, time: str | None, row_id: str | None) -> NewRows:
    """Rows of `current` that `reference` has not: those that are newer, else those that it does not know.

    In a table that grows, whole snapshots overlap, and a broken month among good years would not be seen. If no row
    is new, the table is one that is updated in place, and all of its rows are compared.
    """
    import polars as pl

    if time is not None:
        newest = reference.select(pl.col(time).max()).collect(engine="streaming").item()
        found, kind = current.filter(pl.col(time) > newest), "newer"
    else:
        found, kind = _unknown(reference, current, row_id), "unknown"
    if found.select(pl.len()).collect(engine="streaming").item() == 0:
        return NewRows(current, "all")
    return NewRows(found, kind)  # type: ignore[arg-type]  # one of the two


def _unknown(reference: pl.LazyFrame, current: pl.LazyFrame, row_id: str | None) -> pl.LazyFrame:
    """Rows whose id, or whose whole content if there is no id, the reference does not have."""
    import polars as pl

    if row_id is not None:
        known = reference.select(pl.col(row_id).cast(pl.String)).unique()
        return current.with_columns(__id__=pl.col(row_id).cast(pl.String)).join(
            known, left_on="__id__", right_on=row_id, how="anti"
        ).drop("__id__")  # fmt: skip
    before, now = reference.collect_schema(), current.collect_schema()
    if any(before.get(name) != kind for name, kind in now.items()):  # a column or a type is new, so each row is
        return current
    return current.join(reference.select(now.names()).unique(), on=now.names(), how="anti", nulls_equal=True)
