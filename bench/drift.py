"""Drift statistics over all rows, beside Evidently's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bench.figure import Figure
from bench.timing import alternate, cpu_seconds

if TYPE_CHECKING:
    import polars as pl

ROWS, FEW_ROWS = 200_000, 2_000
NUMERIC = [f"number_{at}" for at in range(9)]
CATEGORICAL = [f"category_{at}" for at in range(9)]
REPEATS = 3
GOAL = 0.15


def drift_statistics() -> list[Figure]:
    """All four statistics with their null distributions, against the four presets of Evidently, on the same rows."""
    few, all_rows = _tables(FEW_ROWS), _tables(ROWS)
    _ours(*few), _evidently(*few)  # warm up
    pair = alternate(partial(_ours, *all_rows), partial(_evidently, *all_rows), REPEATS)
    how = (
        f"KS, PSI, Wasserstein and Jensen-Shannon over {ROWS:,} rows x {len(NUMERIC)} numeric and {len(CATEGORICAL)} "
        f"categorical columns, null quantiles included, against four DataDriftPresets on the same rows (no scaling); "
        f"median of {REPEATS} pairs"
    )
    return [Figure("drift_statistics", pair.value, pair.reference, GOAL, "lower", "CPU s", how)]


def _tables(rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Reference and current, drawn from the same distributions."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(42)
    tables = []
    for _ in range(2):
        columns: dict[str, Any] = {name: random.normal(size=rows) * (at + 1) for at, name in enumerate(NUMERIC)}
        for at, name in enumerate(CATEGORICAL):
            columns[name] = np.array([f"value {kind}" for kind in range(at + 2)])[random.integers(at + 2, size=rows)]
        tables.append(pl.DataFrame(columns))
    return tables[0], tables[1]


def _ours(reference: pl.DataFrame, current: pl.DataFrame) -> float:
    from trainer.data.drift import compare_tables
    from trainer.pipeline import Drift

    return cpu_seconds(lambda: compare_tables(reference, current, reference.columns, Drift()))


def _evidently(reference: pl.DataFrame, current: pl.DataFrame) -> float:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=NUMERIC, categorical_columns=CATEGORICAL)
    sides = [Dataset.from_pandas(side.to_pandas(), data_definition=definition) for side in (current, reference)]
    presets = [
        DataDriftPreset(columns=NUMERIC, num_method="ks"),
        DataDriftPreset(columns=NUMERIC, num_method="wasserstein"),
        DataDriftPreset(num_method="psi", cat_method="psi"),
        DataDriftPreset(num_method="jensenshannon", cat_method="jensenshannon"),
    ]
    return cpu_seconds(lambda: [Report([preset], include_tests=False).run(*sides) for preset in presets])
