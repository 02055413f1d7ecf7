"""Metrics by name: the figures of scikit-learn, and an error for a name that is none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, mean_absolute_error, roc_auc_score

from trainer.errors import ConfigurationError
from trainer.evaluation.metric import Metric
from trainer.problems import problem_of
from trainer.problems.predictions import Predictions

TRUTH = np.array(["no", "yes", "no", "yes", "yes"])
SHARES = np.array([0.1, 0.8, 0.6, 0.4, 0.7])
LABELS = np.where(SHARES >= 0.5, "yes", "no")
BINARY = Predictions(TRUTH, LABELS, SHARES, positive="yes")
NUMBERS = Predictions(np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 2.0]), None)


@pytest.mark.parametrize(
    ("name", "problem", "predictions", "expected"),
    [
        ("auc_roc", "binary_classification", BINARY, roc_auc_score(TRUTH == "yes", SHARES)),
        ("f1_score", "binary_classification", BINARY, f1_score(TRUTH, LABELS, average="weighted")),
        ("positive_f1_score", "binary_classification", BINARY, f1_score(TRUTH, LABELS, pos_label="yes")),
        ("mae", "regression", NUMBERS, mean_absolute_error([1, 2, 3], [1.5, 2, 2])),
    ],
    ids=["auc_roc", "f1_score", "positive_f1_score", "mae"],
)
def test_a_metric_is_the_figure_of_its_name(name: str, problem: str, predictions: Predictions, expected: float) -> None:
    assert Metric(name=name).score(problem_of(problem), predictions) == pytest.approx(expected)


@pytest.mark.parametrize(("name", "higher"), [("r2", True), ("log_loss", False), ("mse", False), ("accuracy", True)])
def test_each_metric_knows_its_direction(name: str, higher: bool) -> None:
    assert Metric(name=name).greater_is_better is higher


def test_a_metric_that_does_not_exist() -> None:
    with pytest.raises(ConfigurationError, match=r"no metric 'auc_rok'; did you mean 'auc_roc'\?"):
        Metric(name="auc_rok").score(problem_of("binary_classification"), BINARY)


def test_a_metric_of_another_problem() -> None:
    with pytest.raises(ConfigurationError, match="rmse"):
        Metric(name="rmse").score(problem_of("binary_classification"), BINARY)
