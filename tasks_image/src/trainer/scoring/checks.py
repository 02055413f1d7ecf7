"""Checks of rows to score: their ids, and which checks of the version's pipeline apply to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.checks.batches import condition_columns
from trainer.checks.results import columns_of
from trainer.errors import DataValidationError

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl

    from trainer.pipeline import Check

EXAMPLES = 5
WHOLE_TABLE = "expect_table_"


def checks_of_inputs(checks: list[Check], columns: Collection[str]) -> list[Check]:
    """Return the checks that look only at values of `columns`, those of the rows to score.

    Those of the target, which is not known yet, of the whole table and of facts about the source were written for
    training data.
    """
    return [
        check
        for check in checks
        if check.of == "rows"
        and not check.check.startswith(WHOLE_TABLE)
        and {*columns_of(check), *condition_columns(check.kwargs.get("row_condition"))} <= {*columns}
    ]


def refuse_unusable_ids(rows: pl.LazyFrame, name: str, source: str) -> None:
    """Raise DataValidationError if the id of a row (n) is missing, or two rows have the same."""
    import polars as pl

    counts = rows.select(
        pl.len().alias("rows"), pl.col(name).n_unique().alias("ids"), missing=pl.col(name).is_null().sum()
    )
    found = counts.collect(engine="streaming").row(0, named=True)
    if found["missing"]:
        raise DataValidationError(
            f"{source}: {found['missing']:,} of {found['rows']:,} rows have no id in column {name!r}; an answer "
            "without an id belongs to nobody: fix the data, or leave such rows away by `scoring.source.where`"
        )
    if found["ids"] == found["rows"]:
        return
    again = rows.group_by(name).len().filter(pl.col("len") > 1)
    ids = again.select(pl.len(), (pl.col("len") - 1).sum().alias("more")).collect(engine="streaming").row(0)
    first = again.sort(name).head(EXAMPLES).collect(engine="streaming")
    examples = ", ".join(f"{value!r} ({number} rows)" for value, number in first.iter_rows())
    raise DataValidationError(
        f"{source}: expected each id in column {name!r} once, found {ids[0]:,} ids with more than one row ({ids[1]:,} "
        f"rows too many), such as {examples}; fix the data, or choose one row of each by `scoring.source`"
    )
