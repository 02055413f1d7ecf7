"""Weighted metrics against scikit-learn's, and the paired bootstrap against what is known of the truth."""

from __future__ import annotations

import time
from math import erf

import numpy as np
import pytest
from sklearn import metrics

from tests.trainer.problems.made_up import EVERY, make
from trainer.errors import ConfigurationError, DataValidationError, ModelRefusedError
from trainer.evaluation import bootstrap
from trainer.evaluation.bootstrap import Comparison, loss_of, paired_bootstrap, resampled
from trainer.pipeline import METRICS
from trainer.problems import problem_of
from trainer.problems.predictions import Predictions


@pytest.mark.parametrize(("problem", "metric"), EVERY)
def test_the_gain_is_positive_for_the_better_model(problem: str, metric: str) -> None:
    better, worse = make(problem, model=1, noise=0.3), make(problem, model=2, noise=1.5)
    compared = paired_bootstrap(problem_of(problem), metric, better, worse, resamples=300)
    figures = [problem_of(problem).score(side, [metric])[metric] for side in (better, worse)]
    assert [compared.challenger, compared.production] == figures
    assert compared.gain == (figures[0] - figures[1]) * (1 if METRICS[metric].greater_is_better else -1)
    assert 0 < compared.lower < compared.gain < compared.upper
    assert (compared.rows, compared.resamples, compared.metric) == (300, 300, metric)
    swapped = paired_bootstrap(problem_of(problem), metric, worse, better, resamples=300)
    found = (swapped.gain, swapped.lower, swapped.upper)
    assert found == pytest.approx((-compared.gain, -compared.upper, -compared.lower), rel=1e-12)


@pytest.mark.parametrize(("problem", "metric"), EVERY)
def test_identical_predictions_gain_exactly_nothing(problem: str, metric: str) -> None:
    made = make(problem)
    figure = problem_of(problem).score(made, [metric])[metric]
    copied = made.rows(np.arange(300))
    expected = Comparison(metric, figure, figure, 0.0, 0.0, 0.0, 300, 500)
    assert paired_bootstrap(problem_of(problem), metric, made, copied, resamples=500) == expected


def test_the_interval_is_that_of_resampling_rows_one_by_one() -> None:
    ours, theirs = make("binary_classification", 120, 1), make("binary_classification", 120, 2)
    compared = paired_bootstrap(
        problem_of("binary_classification"), "auc_roc", ours, theirs, resamples=400, confidence=0.9, seed=5
    )
    random, gains = np.random.default_rng(5), []
    for _ in range(400):
        drawn = random.integers(120, size=120)
        figures = [metrics.roc_auc_score(side.truth[drawn], side.probability[drawn]) for side in (ours, theirs)]  # type: ignore[index]
        gains.append(figures[0] - figures[1])
    assert (compared.lower, compared.upper) == pytest.approx(tuple(np.quantile(gains, [0.05, 0.95])), abs=1e-12)


def test_the_size_of_the_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = make("binary_classification", model=1), make("binary_classification", model=2)
    whole = paired_bootstrap(problem_of("binary_classification"), "auc_pr", *sides, resamples=100)
    monkeypatch.setattr(bootstrap, "CHUNK_BYTES", 300 * 8 * 4 * 7)
    pieces = paired_bootstrap(problem_of("binary_classification"), "auc_pr", *sides, resamples=100)
    assert (pieces.lower, pieces.upper) == pytest.approx((whole.lower, whole.upper), rel=1e-12)


def test_the_seed_decides() -> None:
    sides = make("regression", model=1), make("regression", model=2)
    first, again, other = (paired_bootstrap(problem_of("regression"), "rmse", *sides, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.lower != other.lower


def two_models(metric: str, random: np.random.Generator, rows: int) -> tuple[Predictions, Predictions]:
    """Two models of which the true gain is known."""
    if metric == "rmse":
        numbers, shared = random.normal(size=rows), random.normal(size=rows)
        errors = (scale * (shared + random.normal(size=rows)) for scale in (0.9, 1.0))
        return tuple(Predictions(numbers, numbers + error, None) for error in errors)  # type: ignore[return-value]
    truth = random.random(rows) < 0.4
    if metric == "auc_roc":
        levels = [truth * shift + random.normal(size=rows) for shift in (1.3, 1.0)]
    else:
        levels = [np.where(random.random(rows) < share, 1, -1) * np.where(truth, 1, -1) for share in (0.8, 0.75)]
    return tuple(Predictions(truth, z > 0, 1 / (1 + np.exp(-z)), positive=True) for z in levels)  # type: ignore[return-value]


TRUE_GAIN = {
    "accuracy": 0.05,
    "auc_roc": (erf(1.3 / 2) - erf(1.0 / 2)) / 2,  # Phi(d / sqrt 2) of each
    "rmse": 0.1 * 2**0.5,
}


@pytest.mark.parametrize(("metric", "gain"), TRUE_GAIN.items(), ids=TRUE_GAIN)
def test_the_interval_covers_the_true_gain_about_as_often_as_it_says(metric: str, gain: float) -> None:
    random = np.random.default_rng(11)
    problem = "regression" if metric == "rmse" else "binary_classification"
    covered = 0
    for repetition in range(300):
        sides = two_models(metric, random, 200)
        found = paired_bootstrap(problem_of(problem), metric, *sides, resamples=300, confidence=0.9, seed=repetition)
        covered += found.lower <= gain <= found.upper
    assert 0.85 <= covered / 300 <= 0.95  # three standard errors of a share of .9 in 300 are .05


def rare(positives: int) -> tuple[Predictions, Predictions]:
    truth = np.arange(200) < positives
    probabilities = np.random.default_rng(0).random((2, 200))
    return tuple(Predictions(truth, p > 0.5, p, positive=True) for p in probabilities)  # type: ignore[return-value]


def test_a_few_undefined_resamples_are_left_out() -> None:
    compared = paired_bootstrap(problem_of("binary_classification"), "auc_roc", *rare(6))
    assert 1980 <= compared.resamples < 2000  # 200 draws miss 6 rows with a probability of .0023
    assert np.isfinite([compared.lower, compared.upper]).all()


def test_too_few_rows_of_a_class() -> None:
    with pytest.raises(DataValidationError, match=r"auc_pr is undefined in \d+ of 2000 .*\(200 rows; True: 3, False:"):
        paired_bootstrap(problem_of("binary_classification"), "auc_pr", *rare(3))


def test_too_few_rows_of_a_class_is_told_of_identical_models_too() -> None:
    made, _ = rare(3)
    with pytest.raises(DataValidationError, match="too few rows"):
        paired_bootstrap(problem_of("binary_classification"), "auc_roc", made, made)


def test_too_few_target_values() -> None:
    truth = (np.arange(100) < 2).astype(float)
    sides = [Predictions(truth, truth + shift, None) for shift in (0.1, 0.2)]
    with pytest.raises(DataValidationError, match=r"r2 is undefined in \d+ of 2000 .*1\.0: 2, 0\.0: 98"):
        paired_bootstrap(problem_of("regression"), "r2", *sides)


def test_an_undefined_point_figure_is_refused_before_any_resampling() -> None:
    with pytest.raises(DataValidationError, match="auc_roc is undefined: all 200 rows"):
        paired_bootstrap(problem_of("binary_classification"), "auc_roc", *rare(0))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (make("binary_classification", 299), "not the same rows: 300 of the challenger, 299"),
        (make("binary_classification").rows(np.arange(300)[::-1]), r"not the same rows: \d+ of 300 true values differ"),
    ],
    ids=["length", "order"],
)
def test_models_scored_on_other_rows_are_refused(other: Predictions, message: str) -> None:
    with pytest.raises(ModelRefusedError, match=message):
        paired_bootstrap(problem_of("binary_classification"), "auc_roc", make("binary_classification"), other)


def test_models_with_another_positive_class_are_refused() -> None:
    made = make("binary_classification")
    other = Predictions(made.truth, made.predicted, made.probability, positive=False)
    with pytest.raises(ModelRefusedError, match="not the same positive class: the challenger's is True"):
        paired_bootstrap(problem_of("binary_classification"), "auc_roc", made, other)


def test_a_metric_of_another_problem_is_refused() -> None:
    made = make("regression")
    with pytest.raises(ConfigurationError, match="regression has no metric 'auc_roc'"):
        paired_bootstrap(problem_of("regression"), "auc_roc", made, made)


@pytest.mark.parametrize("rows", [1057, 20_000])
def test_speed(rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not asserted: machines differ."""
    sides = make("binary_classification", rows, 1), make("binary_classification", rows, 2)
    began = time.perf_counter()
    assert paired_bootstrap(problem_of("binary_classification"), "auc_roc", *sides).resamples == 2000
    with capsys.disabled():
        print(f"\n{rows} rows x 2000 resamples of auc_roc: {time.perf_counter() - began:.2f} s")  # noqa: T201


@pytest.mark.parametrize(("problem", "metric"), [("binary_classification", "auc_roc"), ("regression", "rmse")])
def test_a_loss_has_the_error_of_both_sides(problem: str, metric: str) -> None:
    before, now = (
        resampled(problem_of(problem), metric, make(problem, model=model), resamples=200, seed=model)
        for model in (1, 2)
    )
    assert before.interval(0.95)[0] < before.value < before.interval(0.95)[1]
    value, values = loss_of(before, now)
    assert value == pytest.approx((before.value - now.value) * (1 if metric == "auc_roc" else -1))
    assert np.std(values) > max(np.std(before.values), np.std(now.values))


def test_a_metric_that_resamples_leave_undefined_has_no_interval() -> None:
    truth = np.array(["Yes", *["No"] * 30])
    rare = Predictions(truth, truth, np.linspace(0, 1, 31), positive="Yes")
    with pytest.raises(DataValidationError, match=r"auc_roc is undefined in \d+ of 200 resamples"):
        resampled(problem_of("binary_classification"), "auc_roc", rare, resamples=200, seed=1)
