"""Which of the rows that were read are wanted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import did_you_mean

if TYPE_CHECKING:
    import polars as pl

logger = logging.getLogger(__name__)

SETTING = "source.where"


def check_condition(where: str) -> None:
    """Raise ConfigurationError where a condition on rows is no SQL expression, or looks at other rows."""
    from trainer.inference.expressions import check_row_wise, parse

    if where:
        check_row_wise(parse(where, SETTING), SETTING, "a row is kept by what stands in it alone")


def columns_of_condition(where: str) -> set[str]:
    """Return the columns that a condition reads; none without a condition. Raises ConfigurationError if it is wrong."""
    from trainer.inference.expressions import columns_of, parse

    return {*columns_of(parse(where, SETTING))} if where else set()


def keep_rows(rows: pl.LazyFrame, where: str, name: str) -> pl.LazyFrame:
    """Return the rows that fit the condition, after counting them; `name` stands in error messages.

    Raises DataValidationError where there is no row at all, or none fits; ConfigurationError where the condition is
    none, or names a column that is not there.
    """
    before = _count(rows)
    if not before:
        raise DataValidationError(f"{name}: the table has a header and no rows; nothing can be learned from it")
    if not where:
        return rows
    kept = rows.filter(_condition(where, rows.collect_schema()))
    after = _count(kept)
    if not after:
        raise DataValidationError(
            f"{name}: 0 of {before:,} rows fit {SETTING} ({where}); nothing can be learned from none: mend the "
            "condition, or the data"
        )
    logger.info("%s: %d of %d rows fit %s (%s)", name, after, before, SETTING, where)
    return kept


def _count(rows: pl.LazyFrame) -> int:
    import polars as pl

    return int(rows.select(pl.len()).collect(engine="streaming").item())


def _condition(where: str, schema: pl.Schema) -> pl.Expr:
    import polars as pl

    check_condition(where)
    unknown = [column for column in columns_of_condition(where) if column not in schema]
    if unknown:
        raise ConfigurationError(f"{SETTING}: no column {unknown[0]!r}{did_you_mean(unknown[0], schema)}")
    condition = pl.sql_expr(where)
    try:
        kind = pl.DataFrame(schema=schema).select(condition).dtypes[0]
    except pl.exceptions.PolarsError as error:
        raise ConfigurationError(f"{SETTING}: {where!r}: {str(error).splitlines()[0]}") from error
    if kind != pl.Boolean:
        raise ConfigurationError(f"{SETTING}: {where!r} gives {kind}, and a condition is true or false")
    return condition
