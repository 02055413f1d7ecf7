"""Challenger against production on the rows that neither has learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.evaluation.bootstrap import paired_bootstrap
from trainer.run.records import Compared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.pipeline import AgainstProduction
    from trainer.problems import Problem
    from trainer.problems.predictions import Predictions


@dataclass(frozen=True)
class Rival:
    """Production on the test rows."""

    predictions: Predictions
    never_seen: NDArray[Any]
    """Which rows (n,) it has not learned from."""


def compare(
    problem: Problem, rule: AgainstProduction, challenger: Predictions, production: Predictions, fair: NDArray[Any]
) -> Compared:
    """The paired comparison on the rows of a mask (n,); raises DataValidationError where the metric is undefined."""
    compared = paired_bootstrap(
        problem,
        rule.metric,
        challenger.rows(fair),
        production.rows(fair),
        resamples=rule.resamples,
        confidence=rule.confidence,
        seed=rule.seed,
    )
    return Compared(
        metric=rule.metric,
        challenger=compared.challenger,
        production=compared.production,
        gain=compared.gain,
        lower=compared.lower,
        upper=compared.upper,
        rows=compared.rows,
        rows_left_out=fair.size - compared.rows,
    )
