"""Drift statistics over all rows, beside Evidently's."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from bench.figure import Figure
from bench.timing import Pair, wall_seconds
from trainer.errors import TrainerError

if TYPE_CHECKING:
    import polars as pl

ROWS, FEW_ROWS = 1_000_000, 2_000
NUMERIC = [f"number_{at}" for at in range(9)]
CATEGORICAL = [f"category_{at}" for at in range(9)]
GOAL = 1 / 60
TOLERANCE = 1e-9


def drift_statistics() -> list[Figure]:
    """All four statistics with their null distributions, against the four presets of Evidently, on the same rows.

    Raises TrainerError where KS or Wasserstein differ from SciPy's, or PSI or Jensen-Shannon over the same bins.
    """
    few, all_rows = _tables(FEW_ROWS), _tables(ROWS)
    _ours(*few), _evidently(*few)  # warm up
    before = _ours(*all_rows)
    reference = _evidently(*all_rows)  # minutes, so once
    pair = Pair(statistics.median([before, _ours(*all_rows), _ours(*all_rows)]), reference)
    _refuse_other_values(*all_rows)
    how = (
        f"KS, PSI, Wasserstein and Jensen-Shannon over {ROWS:,} rows x {len(NUMERIC)} numeric and {len(CATEGORICAL)} "
        f"categorical columns, null quantiles included, against four DataDriftPresets on the same rows (no scaling), "
        f"measured once, between ours, of which it is the median of three; values agree with SciPy's to {TOLERANCE:g}"
    )
    return [Figure("drift_statistics", pair.value, pair.reference, GOAL, "lower", "s", how)]


def _refuse_other_values(reference: pl.DataFrame, current: pl.DataFrame) -> None:
    import numpy as np
    from scipy import stats
    from scipy.spatial.distance import jensenshannon

    from trainer.drift.compare import compare_tables
    from trainer.drift.effect_sizes import EMPTY_SHARE, decile_counts
    from trainer.pipeline import Drift

    for found in compare_tables(reference.lazy(), current.lazy(), reference.columns, Drift()):
        before, now = reference[found.column], current[found.column]
        expected = {}
        if found.kind == "numeric":
            p, q = before.to_numpy(), now.to_numpy()
            expected["ks"] = stats.ks_2samp(p, q, method="asymp").statistic
            expected["wasserstein"] = stats.wasserstein_distance(p, q) / p.std()
            counts = decile_counts(np.sort(p), np.sort(q), (0, 0))
        else:
            both = before.value_counts(name="p").join(now.value_counts(name="q"), on=[found.column], suffix="_q")
            counts = both.select("p", "q").to_numpy().T
        shares = counts / counts.sum(axis=1, keepdims=True)
        expected["jensen_shannon"] = jensenshannon(*shares, base=2)
        p, q = np.maximum(shares, EMPTY_SHARE)
        expected["psi"] = ((q - p) * np.log(q / p)).sum()
        for name, value in expected.items():
            if abs(found.statistics[name] - value) > TOLERANCE:
                raise TrainerError(f"{found.column}: {name} is {found.statistics[name]!r}, and {value!r} elsewhere")


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
    from trainer.drift.compare import compare_tables
    from trainer.pipeline import Drift

    return wall_seconds(lambda: compare_tables(reference.lazy(), current.lazy(), reference.columns, Drift()))


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
    return wall_seconds(lambda: [Report([preset], include_tests=False).run(*sides) for preset in presets])
