"""Figures of weighted rows against scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from tests.trainer.problems.made_up import CLASSES, EVERY, make
from trainer.problems import problem_of
from trainer.problems.predictions import Predictions


def scikit_learn(metric: str, made: Predictions, weights: Any) -> float:
    """One weighted figure, by scikit-learn with `sample_weight` on columns in its own order."""
    probability = made.probability
    if probability is not None and made.classes:
        probability = probability[:, np.argsort(made.classes)]
    truth = made.truth
    if metric == "auc_pr" and made.classes:
        truth = truth[:, None] == np.array(sorted(CLASSES))
    ours = {
        "rmse": "root_mean_squared_error",
        "mse": "mean_squared_error",
        "mae": "mean_absolute_error",
        "mape": "mean_absolute_percentage_error",
    }
    theirs = {
        "auc_roc": "roc_auc_score",
        "auc_pr": "average_precision_score",
        "accuracy": "accuracy_score",
        "brier_score": "brier_score_loss",
    }
    kind = metric.removeprefix("positive_")
    other = {"r2": "r2_score", "precision": "precision_score", "recall": "recall_score"}
    function = getattr(metrics, {**ours, **theirs, **other}.get(kind, kind))
    options: dict[str, Any] = {"sample_weight": weights}
    if kind in ("precision", "recall", "f1_score"):
        options |= {"average": "weighted" if kind == metric else "binary", "zero_division": 0}
    if metric in ("auc_roc", "auc_pr") and made.classes:
        options |= {"average": "weighted", **({"multi_class": "ovr"} if metric == "auc_roc" else {})}
    answers = probability if metric in ("auc_roc", "auc_pr", "log_loss", "brier_score") else made.predicted
    return float(function(truth, answers, **options))


def some_weights(rows: int, kind: str) -> Any:
    """Weights (rows, 12)."""
    random = np.random.default_rng(7)
    if kind == "counts":
        return random.multinomial(rows, np.full(rows, 1 / rows), size=12).T.astype(float)
    return random.exponential(size=(rows, 12)) * (random.random((rows, 12)) < 0.8)


@pytest.mark.parametrize("kind", ["counts", "fractions"])
@pytest.mark.parametrize(("problem", "metric"), [pair for pair in EVERY if pair[0] != "language_modeling"])
def test_weighted_metrics_are_those_of_scikit_learn(problem: str, metric: str, kind: str) -> None:
    made = make(problem)
    weights = some_weights(300, kind)
    expected = [scikit_learn(metric, made, column) for column in weights.T]
    assert problem_of(problem).figure(metric).weighted(made)(weights) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("rows", [5, 60, 1057])
@pytest.mark.parametrize(("problem", "metric"), EVERY)
def test_equal_weights_give_the_point_figures(problem: str, metric: str, rows: int) -> None:
    made = make(problem, rows)
    expected = problem_of(problem).score(made, [metric])[metric]
    assert problem_of(problem).figure(metric).weighted(made)(np.ones((rows, 2))) == pytest.approx(
        [expected] * 2, rel=1e-12, abs=1e-12
    )


@pytest.mark.parametrize("metric", ["auc_roc", "auc_pr"])
@pytest.mark.parametrize("values", [[0.5], [0.0, 1.0], [0.2, 0.2 + 1e-16, 0.2 + 1e-15]], ids=["one", "two", "near"])
def test_areas_of_almost_all_ties(metric: str, values: list[float]) -> None:
    random = np.random.default_rng(3)
    truth, probability = random.random(80) < 0.4, random.choice(values, 80)
    made = Predictions(truth, truth, probability, positive=True)
    weights = some_weights(80, "counts")
    expected = [scikit_learn(metric, made, column) for column in weights.T]
    assert problem_of("binary_classification").figure(metric).weighted(made)(weights) == pytest.approx(
        expected, abs=1e-12
    )


@pytest.mark.parametrize(
    ("metric", "truth", "weights"),
    [
        ("auc_roc", [True, True, False, False], [1, 1, 0, 0]),
        ("auc_roc", [True, True, False, False], [0, 0, 1, 1]),
        ("auc_pr", [True, True, False, False], [0, 0, 1, 1]),
        ("auc_pr", [True, True, False, False], [1, 1, 0, 0]),
        ("r2", [0.1, 0.1, 0.7, 0.9], [1, 3, 0, 0]),
        ("mape", [0.0, 0.0, 0.7, 0.9], [1, 3, 0, 0]),
    ],
    ids=["roc-positives", "roc-negatives", "pr-negatives", "pr-positives", "r2-constant", "mape-zeros"],
)
def test_undefined_where_the_weights_leave_one_value(metric: str, truth: list[float], weights: list[int]) -> None:
    probability = None if metric in ("r2", "mape") else np.array([0.9, 0.3, 0.4, 0.2])
    problem = problem_of("binary_classification" if metric.startswith("auc") else "regression")
    made = Predictions(np.array(truth), np.array(truth), probability, positive=True)
    column = np.array([weights, [1, 1, 1, 1]], dtype=float).T
    assert np.isnan(problem.figure(metric).weighted(made)(column)).tolist() == [True, False]


def test_a_class_without_a_weight_does_not_undo_the_areas() -> None:
    made = make("multiclass_classification")
    weights = (made.truth != "a").astype(float)[:, None]
    several = problem_of("multiclass_classification")
    expected = several.score(made.rows(made.truth != "a"), ["auc_roc", "auc_pr"])
    assert several.figure("auc_roc").weighted(made)(weights) == pytest.approx([expected["auc_roc"]], rel=1e-12)
    assert several.figure("auc_pr").weighted(made)(weights) == pytest.approx([expected["auc_pr"]], rel=1e-12)
