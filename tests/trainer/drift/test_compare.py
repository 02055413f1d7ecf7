"""Effect sizes against SciPy and plain formulas, and what counts as drift."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from trainer.drift.compare import compare_column, compare_tables
from trainer.drift.effect_sizes import EMPTY_SHARE, MAX_CATEGORIES, category_counts
from trainer.errors import DataValidationError
from trainer.pipeline import Drift

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMITS = Drift()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


PAIRS = {
    "normal": (rng(1).normal(size=1000), rng(2).normal(0.3, 1.2, size=1000)),
    "unequal sizes": (rng(3).normal(size=3000), rng(4).normal(0.1, 1, size=137)),
    "heavy tails": (rng(5).standard_cauchy(500), rng(6).standard_cauchy(700)),
    "ties": (rng(7).poisson(2, 800).astype(float), rng(8).poisson(2.5, 900).astype(float)),
    "apart": (rng(9).uniform(0, 1, 300), rng(10).uniform(5, 6, 200)),
}


def column(values: Any, dtype: pl.DataType | type[pl.DataType] | None = None) -> pl.Series:
    return pl.Series("x", values, dtype=dtype)


def plain_psi(p: list[float], q: list[float]) -> float:
    raised = [(max(a, EMPTY_SHARE), max(b, EMPTY_SHARE)) for a, b in zip(p, q, strict=True)]
    return sum((b - a) * math.log(b / a) for a, b in raised)


def plain_shares(values: Sequence[object], bins: Sequence[object]) -> list[float]:
    counts = Counter(values)
    return [counts[name] / len(values) for name in bins]


def decile_bin(value: float | None, edges: list[float]) -> int:
    return -1 if value is None else sum(value > edge for edge in edges)


@pytest.mark.parametrize(("reference", "current"), PAIRS.values(), ids=PAIRS.keys())
class TestNumericStatistics:
    def test_ks_and_wasserstein_equal_scipy(self, reference: np.ndarray, current: np.ndarray) -> None:
        found = compare_column(column(reference), column(current), LIMITS).statistics
        assert found["ks"] == pytest.approx(stats.ks_2samp(reference, current, method="asymp").statistic, abs=1e-12)
        expected = stats.wasserstein_distance(reference, current) / reference.std()
        assert found["wasserstein"] == pytest.approx(expected, rel=1e-9)

    def test_psi_and_jensen_shannon_equal_a_plain_computation(self, reference: np.ndarray, current: np.ndarray) -> None:
        sides = [[*map(float, reference), None, None], [*map(float, current), None]]
        edges = sorted({float(np.quantile(reference, k / 10, method="inverted_cdf")) for k in range(1, 10)})
        below = [math.nextafter(edges[0], -math.inf)] if edges[0] == reference.min() else []
        binned = [[decile_bin(value, below + edges) for value in side] for side in sides]
        bins = list(range(-1, len(below + edges) + 1))
        p, q = (plain_shares(side, bins) for side in binned)
        found = compare_column(column(sides[0]), column(sides[1]), LIMITS).statistics
        assert found["psi"] == pytest.approx(plain_psi(p, q), rel=1e-9)
        assert found["jensen_shannon"] == pytest.approx(jensenshannon(p, q, base=2), rel=1e-9)


def test_categorical_statistics_equal_a_plain_computation() -> None:
    p_values = ["a"] * 50 + ["b"] * 30 + [None] * 20
    q_values = ["a"] * 20 + ["b"] * 60 + ["new"] * 10 + [None] * 110
    bins = ["a", "b", "new", None]
    p, q = plain_shares(p_values, bins), plain_shares(q_values, bins)
    found = compare_column(column(p_values), column(q_values), LIMITS)
    assert found.kind == "categorical"
    assert set(found.statistics) == {"psi", "jensen_shannon"}
    assert found.statistics["psi"] == pytest.approx(plain_psi(p, q), rel=1e-9)
    assert found.statistics["jensen_shannon"] == pytest.approx(jensenshannon(p, q, base=2), rel=1e-9)


def test_thresholds_are_the_greater_of_limit_and_chance() -> None:
    small = compare_column(column(rng(1).normal(size=200)), column(rng(2).normal(size=200)), LIMITS)
    large = compare_column(column(rng(1).normal(size=100_000)), column(rng(2).normal(size=100_000)), LIMITS)
    assert large.thresholds == {"ks": 0.1, "wasserstein": 0.1, "psi": 0.25, "jensen_shannon": 0.1}
    assert all(small.thresholds[name] > large.thresholds[name] for name in large.thresholds)
    assert not small.drifted
    assert small.statistics["wasserstein"] > LIMITS.wasserstein, "an effect size alone would have cried wolf"


def test_equal_samples_are_stable() -> None:
    found = compare_column(column([1.0, 2.0, 3.0] * 50), column([1.0, 2.0, 3.0] * 50), LIMITS)
    assert set(found.statistics.values()) == {0.0}
    assert not found.drifted


DRIFTED = {
    "shifted": (rng(1).normal(size=500), rng(2).normal(0.7, 1, size=500)),
    "wider": (rng(1).normal(size=2000), rng(2).normal(0, 2, size=2000)),
    "missing": ([*range(500)], [None if k % 3 == 0 else k for k in range(500)]),
    "a new category": (["a"] * 500, ["a"] * 400 + ["b"] * 100),
    "a new category in few rows": (["a", "b"] * 50_000, ["a"] * 90 + ["b"] * 90 + ["c"] * 20),
    "a category gone": (["a", "b", "c"] * 100, ["a", "b"] * 150),
    "truth values": ([True, False] * 200, [True] * 350 + [False] * 50),
    "below a constant": ([5.0] * 300, [3.0] * 300),
    "later": ([dt.date(2024, 1, 1 + k % 28) for k in range(300)], [dt.date(2024, 3, 1 + k % 28) for k in range(300)]),
    "emptied number": ([1.0, 2.0] * 100, pl.Series([None] * 200, dtype=pl.Float64)),
    "emptied text": (["a", "b"] * 100, [None] * 200),
    "almost empty, then empty": ([1.0] * 200 + [None] * 9800, pl.Series([None] * 10_000, dtype=pl.Float64)),
    "filled": (pl.Series([None] * 200, dtype=pl.Float64), [1.0, 2.0] * 100),
    "only NaN": ([1.0, 2.0] * 100, [math.nan] * 200),
}


@pytest.mark.parametrize(("reference", "current"), DRIFTED.values(), ids=DRIFTED.keys())
def test_drift_is_found(reference: object, current: object) -> None:
    assert compare_column(column(reference), column(current), LIMITS).drifted


STABLE = {
    "one constant": ([0.1] * 300, [0.1] * 200),
    "no value on either side": ([None] * 100, [None] * 100),
    "no finite number on either side": ([math.nan] * 100, [math.inf] * 100),
    "a single value by chance": ([1.0] + [None] * 199, pl.Series([None] * 200, dtype=pl.Float64)),
    "one row each": ([1.0], [2.0]),
    "each text once": ([f"a{k}" for k in range(900)], [f"b{k}" for k in range(900)]),
}


@pytest.mark.parametrize(("reference", "current"), STABLE.values(), ids=STABLE.keys())
def test_no_drift_is_found(reference: object, current: object) -> None:
    assert not compare_column(column(reference), column(current), LIMITS).drifted


def test_wasserstein_of_a_constant_reference_uses_both_samples() -> None:
    found = compare_column(column([5.0] * 100), column([7.0] * 100), LIMITS)
    assert found.statistics["wasserstein"] == pytest.approx(2.0 / 1.0)


def test_a_column_without_values_on_one_side_has_no_ks() -> None:
    found = compare_column(column([1.0, 2.0]), column([None, None], pl.Float64), LIMITS)
    assert set(found.statistics) == {"psi", "jensen_shannon"}


def test_nan_and_infinity_count_as_missing() -> None:
    reference = column([1.0, 2.0, 3.0, 4.0])
    missing = compare_column(reference, column([1.0, None, None, 4.0]), LIMITS)
    assert compare_column(reference, column([1.0, math.nan, math.inf, 4.0]), LIMITS) == missing


def test_rare_categories_share_a_bin_and_missing_keeps_its_own() -> None:
    values = column([f"c{k}" for k in range(2000)] + [None])
    counts = category_counts(values, values)
    assert counts.shape == (2, MAX_CATEGORIES + 1)
    assert counts[:, 0].tolist() == [1, 1]
    assert counts.sum(axis=1).tolist() == [2001, 2001]


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        ([1, 2, 3], [1.5, 2.5, 3.5]),
        (pl.Series(["a", "b"], dtype=pl.Categorical), ["a", "b"]),
        ([dt.date(2024, 1, 1)], [dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]),
        ([1, 2, 3], pl.Series([None] * 3, dtype=pl.String)),
    ],
    ids=["integer and float", "category and text", "date and datetime", "nothing fits all"],
)
def test_types_of_one_family_are_compared(reference: object, current: object) -> None:
    assert compare_column(column(reference), column(current), LIMITS).column == "x"


@pytest.mark.parametrize("other", [["1", "2"], [True, False], [dt.date(2024, 1, 1)] * 2], ids=["text", "truth", "date"])
def test_another_type_is_refused(other: list[object]) -> None:
    with pytest.raises(DataValidationError, match=r"column 'x' is Int64 in the reference and .* `source\.types`"):
        compare_column(column([1, 2]), column(other), LIMITS)


def test_a_type_without_a_distribution_is_refused() -> None:
    with pytest.raises(DataValidationError, match=r"column 'x' is List.*columns\.exclude"):
        compare_column(column([[1], [2]]), column([[1], [2]]), LIMITS)


class TestCompareTables:
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})

    def test_keeps_the_order_and_leaves_other_columns_out(self) -> None:
        found = compare_tables(self.frame.with_columns(c=1).lazy(), self.frame.lazy(), ["b", "a"], LIMITS)
        assert [drift.column for drift in found] == ["b", "a"]

    @pytest.mark.parametrize("side", ["reference", "current"])
    def test_a_missing_column_is_named(self, side: str) -> None:
        tables = {"reference": self.frame, "current": self.frame, side: self.frame.drop("b")}
        with pytest.raises(DataValidationError, match=rf"the {side} table lacks 1 column\(s\): 'b'"):
            compare_tables(tables["reference"].lazy(), tables["current"].lazy(), ["a", "b"], LIMITS)

    @pytest.mark.parametrize("side", ["reference", "current"])
    def test_a_table_without_rows_is_refused(self, side: str) -> None:
        tables = {"reference": self.frame, "current": self.frame, side: self.frame.clear()}
        with pytest.raises(DataValidationError, match=f"the {side} table has no rows"):
            compare_tables(tables["reference"].lazy(), tables["current"].lazy(), ["a"], LIMITS)
