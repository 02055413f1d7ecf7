"""The names of the metrics, the problems each one fits, and which direction is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProblemName = Literal["binary_classification", "multiclass_classification", "regression", "language_modeling"]

_BINARY = frozenset({"binary_classification"})
_CLASSES = frozenset({"binary_classification", "multiclass_classification"})
_NUMBERS = frozenset({"regression"})
_TEXTS = frozenset({"language_modeling"})


@dataclass(frozen=True)
class MetricInfo:
    """What has to be known about a metric without computing it."""

    problems: frozenset[str]
    greater_is_better: bool = True


METRICS: dict[str, MetricInfo] = {
    "accuracy": MetricInfo(_CLASSES),
    "precision": MetricInfo(_CLASSES),
    "recall": MetricInfo(_CLASSES),
    "f1_score": MetricInfo(_CLASSES),
    "positive_precision": MetricInfo(_BINARY),
    "positive_recall": MetricInfo(_BINARY),
    "positive_f1_score": MetricInfo(_BINARY),
    "auc_roc": MetricInfo(_CLASSES),
    "auc_pr": MetricInfo(_CLASSES),
    "log_loss": MetricInfo(_CLASSES, greater_is_better=False),
    "brier_score": MetricInfo(_CLASSES, greater_is_better=False),
    "rmse": MetricInfo(_NUMBERS, greater_is_better=False),
    "mse": MetricInfo(_NUMBERS, greater_is_better=False),
    "mae": MetricInfo(_NUMBERS, greater_is_better=False),
    "mape": MetricInfo(_NUMBERS, greater_is_better=False),
    "r2": MetricInfo(_NUMBERS),
    "perplexity": MetricInfo(_TEXTS, greater_is_better=False),
    "bits_per_byte": MetricInfo(_TEXTS, greater_is_better=False),
}
"""Precision, recall and F1 without a prefix are averages weighted by class size; `positive_` ones look at the
positive class alone. For three classes and more, the areas are one-vs-rest averages weighted by class size. `mape` is a
share (0.1 for 10 %), over the rows whose target is not 0: of 0 there is no percentage."""


def metrics_for(problem: str) -> list[str]:
    """The metrics that fit a problem, in the order in which they are shown."""
    return [name for name, info in METRICS.items() if problem in info.problems]
