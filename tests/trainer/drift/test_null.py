"""Null quantiles: that chance exceeds them about once in a thousand draws, and not more often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from trainer.drift.effect_sizes import (
    decile_counts,
    jensen_shannon_distance,
    kolmogorov_smirnov,
    pool,
    population_stability_index,
    wasserstein,
)
from trainer.drift.null import binned_null, kolmogorov_smirnov_null, wasserstein_null

Generator = np.random.Generator
Draw = Callable[[Generator, int], np.ndarray]

REPEATS = 200
MOST = 2
"""1 % of `REPEATS`; the expected number is 0.2, and 3 or more have a probability of about 0.001."""

NUMBERS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 1.5, n),
    "discrete": lambda rng, n: rng.poisson(1.2, n).astype(float),
    "heavy tails": lambda rng, n: rng.standard_cauchy(n),
}
SHARES = np.array([0.4, 0.25, 0.15, 0.1, 0.05, 0.03, 0.015, 0.005])


EACH_200, UNEQUAL = (200, 200), (1000, 100)
CASES = [
    pytest.param("normal", EACH_200, id="normal (200, 200)"),
    pytest.param("lognormal", UNEQUAL, id="lognormal (1000, 100)", marks=pytest.mark.slow),  # tails of less weight
    pytest.param("discrete", EACH_200, id="discrete (200, 200)"),
    pytest.param("discrete", UNEQUAL, id="discrete (1000, 100)"),
    pytest.param("heavy tails", UNEQUAL, id="heavy tails (1000, 100)"),
]


@pytest.mark.parametrize(("name", "sizes"), CASES)
def test_chance_rarely_exceeds_the_quantiles_of_numbers(name: str, sizes: tuple[int, int]) -> None:
    draw, rng = NUMBERS[name], np.random.default_rng(7)
    exceeded = np.zeros(4, dtype=int)
    for _ in range(REPEATS):
        reference, current = (np.sort(draw(rng, size)) for size in sizes)
        pooled, counts = pool(reference, current), decile_counts(reference, current, (0, 0))
        binned = binned_null(counts)
        exceeded += [
            kolmogorov_smirnov(pooled) > kolmogorov_smirnov_null(*sizes),
            wasserstein(pooled) > wasserstein_null(pooled),
            population_stability_index(*counts) > binned["psi"],
            jensen_shannon_distance(*counts) > binned["jensen_shannon"],
        ]
    assert exceeded.max() <= MOST


@pytest.mark.parametrize("sizes", [(200, 200), (20_000, 200)], ids=["200 each", "20000 and 200"])
def test_chance_rarely_exceeds_the_quantiles_of_sparse_categories(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(8)
    exceeded = np.zeros(2, dtype=int)
    for _ in range(REPEATS):
        counts = np.array([rng.multinomial(size, SHARES) for size in sizes])
        null = binned_null(counts)
        exceeded += [
            population_stability_index(*counts) > null["psi"],
            jensen_shannon_distance(*counts) > null["jensen_shannon"],
        ]
    assert exceeded.max() <= MOST


def test_large_samples_agree_with_chi_square() -> None:
    rows, bins = 50_000, 10
    found = binned_null(np.full((2, bins), rows // bins))
    chi_square = stats.chi2.ppf(0.999, bins - 1)
    assert found["psi"] == pytest.approx(2 / rows * chi_square, rel=0.1)
    assert found["jensen_shannon"] == pytest.approx(np.sqrt(2 / rows * chi_square / (8 * np.log(2))), rel=0.05)


def test_the_ks_quantile_is_that_of_kolmogorov() -> None:
    assert kolmogorov_smirnov_null(5000, 5000) == pytest.approx(stats.kstwobign.ppf(0.999) / np.sqrt(2500), rel=1e-6)


def test_the_wasserstein_quantile_is_that_of_permutations() -> None:
    rng = np.random.default_rng(9)
    values = np.sort(rng.lognormal(size=900))
    simulated = []
    for _ in range(20_000):
        chosen = np.zeros(values.size, dtype=bool)
        chosen[rng.choice(values.size, 300, replace=False)] = True
        before = chosen.cumsum()[:-1]
        simulated.append(np.abs(before / 300 - (np.arange(1, values.size) - before) / 600) @ np.diff(values))
    pooled = pool(values[:300], values[300:])
    assert wasserstein_null(pooled) == pytest.approx(np.quantile(simulated, 0.999), rel=0.1)


def test_chance_explains_less_the_more_rows_there_are() -> None:
    rng = np.random.default_rng(10)
    quantiles = []
    for size in (200, 2000, 20_000):
        reference, current = np.sort(rng.normal(size=size)), np.sort(rng.normal(size=size))
        null = binned_null(decile_counts(reference, current, (0, 0)))
        quantiles.append([
            *null.values(),
            wasserstein_null(pool(reference, current)),
            kolmogorov_smirnov_null(size, size),
        ])
    assert (np.diff(quantiles, axis=0) < 0).all()


def test_one_constant_leaves_nothing_to_chance() -> None:
    assert wasserstein_null(pool(np.ones(5), np.ones(7))) == 0.0


def test_a_statistic_that_equals_its_quantile_does_not_exceed_it() -> None:
    counts = np.array([[1, 0], [0, 1]])
    assert population_stability_index(*counts) <= binned_null(counts)["psi"]


def test_quantiles_are_the_same_each_time() -> None:
    counts = np.array([[50, 30, 20], [40, 40, 20]])
    assert binned_null(counts) == binned_null(counts)
