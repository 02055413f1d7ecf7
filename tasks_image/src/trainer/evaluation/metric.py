"""Metrics: named figures of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainer.errors import ConfigurationError
from trainer.pipeline import METRICS, Spec, did_you_mean

if TYPE_CHECKING:
    from trainer.problems import Problem
    from trainer.problems.predictions import Predictions


class Metric(Spec):
    """One figure, by its name.

    >>> Metric(name="rmse").greater_is_better
    False
    """

    KIND: Literal["metric"] = "metric"
    name: str

    @property
    def greater_is_better(self) -> bool:
        """Whether the figure improves as it rises."""
        return METRICS[self.name].greater_is_better

    def score(self, problem: Problem, predictions: Predictions) -> float:
        """The figure. Raises ConfigurationError for a metric that does not exist."""
        if self.name not in METRICS:
            raise ConfigurationError(f"no metric {self.name!r}{did_you_mean(self.name, METRICS)}")
        return problem.score(predictions, [self.name])[self.name]
