"""Whether columns have drifted: an effect size above its limit and above what chance alone explains."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal

from trainer.drift.effect_sizes import (
    category_counts,
    decile_counts,
    jensen_shannon_distance,
    kolmogorov_smirnov,
    pool,
    population_stability_index,
    wasserstein,
    wasserstein_scale,
)
from trainer.drift.null import binned_null, kolmogorov_smirnov_null, wasserstein_null
from trainer.errors import DataValidationError
from trainer.run.records import ColumnDrift

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from trainer.drift.effect_sizes import Counts, Floats
    from trainer.pipeline import Drift

Figures = dict[str, float]
Family = Literal["number", "moment", "text", "truth value", "nothing"]

MICROSECONDS_PER_DAY = 86_400_000_000
COLUMNS_AT_ONCE = 2
ROWS_OF_ONE_COLUMN = 5_000_000
"""Of a side; where there are more, one column at a time is held in memory."""


def compare_tables(
    reference: pl.LazyFrame,
    current: pl.LazyFrame,
    columns: list[str],
    limits: Drift,
    usual: Mapping[str, Figures] | None = None,
) -> list[ColumnDrift]:
    """Each of the columns compared over all rows, in the order given.

    A few at a time are held in memory, and one where rows are many. `usual` are distances, per column and statistic,
    that are ordinary and so no drift.

    Raises DataValidationError where a table has no rows, or a column is missing on one side or of another type there.
    """
    import polars as pl

    most = 0
    for side, rows in (("reference", reference), ("current", current)):
        height = rows.select(pl.len()).collect().item()
        most = max(most, height)
        if height == 0:
            raise DataValidationError(f"drift: the {side} table has no rows; there is nothing to compare")
        known = rows.collect_schema().names()
        missing = [name for name in columns if name not in known]
        if missing:
            raise DataValidationError(
                f"drift: the {side} table lacks {len(missing)} column(s): {', '.join(map(repr, missing[:5]))}; "
                f"mend the data, or list them under `columns.exclude`. It has: {', '.join(known)}"
            )

    def compare(name: str) -> ColumnDrift:
        ordinary = (usual or {}).get(name, {})
        return compare_column(_column(reference, name), _column(current, name), limits, ordinary)

    at_once = COLUMNS_AT_ONCE if most <= ROWS_OF_ONE_COLUMN else 1
    with ThreadPoolExecutor(at_once) as threads:  # NumPy and Polars let go of Python's lock
        return list(threads.map(compare, columns))


def _column(rows: pl.LazyFrame, name: str) -> pl.Series:
    return rows.select(name).collect().to_series()


def compare_column(
    reference: pl.Series, current: pl.Series, limits: Drift, usual: Mapping[str, float] | None = None
) -> ColumnDrift:
    """How far `current` has moved from `reference`, both of at least one row.

    Numbers, and dates and datetimes as days since 1970 (UTC), have `ks`, `psi`, `wasserstein` (in standard deviations
    of the reference) and `jensen_shannon`; texts, categories and truth values have `psi` and `jensen_shannon`.

    NaN and infinity count as missing. Missing values are a bin of their own in `psi` and `jensen_shannon`; `ks` and
    `wasserstein` leave them out, and are themselves left out where one side has no value at all. A column that has
    values on one side only has drifted if `psi` or `jensen_shannon` exceeds what chance explains, whatever the limits;
    one that has none on either side is stable. `usual` are distances by statistic that are ordinary: a limit that is
    lower gives way to them.

    Raises DataValidationError where the types differ, or no distribution of the type can be compared.
    """
    family = _common_family(reference, current)
    if family in ("number", "moment"):
        sides = (_numbers(reference), _numbers(current))
        statistics, null = _compare_numbers(sides, (len(reference) - sides[0].size, len(current) - sides[1].size))
        emptied = (sides[0].size == 0) != (sides[1].size == 0)
    else:
        statistics, null = _compare_bins(category_counts(_texts(reference), _texts(current)))
        emptied = (reference.null_count() == len(reference)) != (current.null_count() == len(current))
    allowed = {name: max(getattr(limits, name), (usual or {}).get(name, 0.0)) for name in statistics}
    thresholds = {name: max(0.0 if emptied else allowed[name], null[name]) for name in statistics}
    return ColumnDrift(
        column=current.name,
        kind="numeric" if family in ("number", "moment") else "categorical",
        statistics=statistics,
        thresholds=thresholds,
        drifted=any(statistics[name] > thresholds[name] for name in statistics),
    )


def distances(reference: pl.Series, current: pl.Series) -> Figures:
    """The statistics of `compare_column`, without what chance explains."""
    if _common_family(reference, current) not in ("number", "moment"):
        return _bin_distances(category_counts(_texts(reference), _texts(current)))
    sides = (_numbers(reference), _numbers(current))
    missing = (len(reference) - sides[0].size, len(current) - sides[1].size)
    binned = _bin_distances(decile_counts(*sides, missing)) if sides[0].size else {}
    if sides[0].size == 0 or sides[1].size == 0:
        return binned
    pooled = pool(*sides)
    return {
        "ks": kolmogorov_smirnov(pooled),
        "wasserstein": wasserstein(pooled) / wasserstein_scale(sides[0], pooled),
        **binned,
    }


def _compare_numbers(sides: tuple[Floats, Floats], missing: tuple[int, int]) -> tuple[Figures, Figures]:
    """Statistics and their null quantiles for two ascending samples."""
    import numpy as np

    reference, current = sides
    if reference.size == 0:
        return _compare_bins(np.array([[0, missing[0]], [current.size, missing[1]]]))
    binned, null = _compare_bins(decile_counts(reference, current, missing))
    if current.size == 0:
        return binned, null
    pooled = pool(reference, current)
    scale = wasserstein_scale(reference, pooled)
    statistics = {"ks": kolmogorov_smirnov(pooled), "wasserstein": wasserstein(pooled) / scale, **binned}
    null["ks"] = kolmogorov_smirnov_null(reference.size, current.size)
    null["wasserstein"] = wasserstein_null(pooled) / scale
    return statistics, null


def _compare_bins(counts: Counts) -> tuple[Figures, Figures]:
    return _bin_distances(counts), binned_null(counts)


def _bin_distances(counts: Counts) -> Figures:
    return {
        "psi": float(population_stability_index(*counts)),
        "jensen_shannon": float(jensen_shannon_distance(*counts)),
    }


def _common_family(reference: pl.Series, current: pl.Series) -> Family:
    """The family of types of both; a column without any value fits every other."""
    families = [_family(side) for side in (reference, current) if side.null_count() < len(side)]
    if len(set(families)) > 1:
        raise DataValidationError(
            f"drift: column {current.name!r} is {reference.dtype} in the reference and {current.dtype} in the current "
            "table; declare its type under `source.types`, or list it under `columns.exclude`"
        )
    return families[0] if families else "nothing"


def _family(values: pl.Series) -> Family:
    import polars as pl

    if values.dtype.is_numeric():
        return "number"
    if values.dtype in (pl.Date, pl.Datetime):
        return "moment"
    if values.dtype == pl.Boolean:
        return "truth value"
    if values.dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    raise DataValidationError(
        f"drift: column {values.name!r} is {values.dtype}, and distributions of that type cannot be compared; "
        "list it under `columns.exclude`, or turn it into numbers or texts"
    )


def _numbers(values: pl.Series) -> Floats:
    """The finite values, ascending."""
    import polars as pl

    if values.dtype in (pl.Date, pl.Datetime):
        values = values.dt.epoch("us") / MICROSECONDS_PER_DAY
    numbers = values.cast(pl.Float64, strict=False)
    return numbers.filter(numbers.is_finite()).sort().to_numpy()


def _texts(values: pl.Series) -> pl.Series:
    import polars as pl

    return values.cast(pl.String)
