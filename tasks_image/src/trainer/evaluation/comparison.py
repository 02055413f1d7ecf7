"""Challenger against production, or against the anchor, on the rows that none of them has learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.evaluation.bootstrap import paired_bootstrap
from trainer.evaluation.loss_bound import lower_bound
from trainer.run.records import Compared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.pipeline import AgainstProduction
    from trainer.problems import Problem
    from trainer.problems.predictions import Predictions


@dataclass(frozen=True)
class Rival:
    """Production, or the anchor, on the test rows."""

    predictions: Predictions
    never_seen: NDArray[Any]
    """Which rows (n,) it has not learned from."""


def compare(
    problem: Problem,
    rule: AgainstProduction,
    challenger: Predictions,
    production: Predictions,
    fair: NDArray[Any],
    *,
    bound_confidence: float | None = None,
) -> Compared:
    """The paired comparison on the rows of a mask (n,); raises DataValidationError where the metric is undefined.

    With a `bound_confidence` and the rule `not_worse` it has a one-sided lower bound of the gain.
    """
    sides, resamples, seed = (challenger.rows(fair), production.rows(fair)), rule.resamples, rule.seed
    compared = paired_bootstrap(
        problem, rule.metric, *sides, resamples=resamples, confidence=rule.confidence, seed=seed
    )
    bound = None
    if bound_confidence is not None and rule.rule == "not_worse":
        bound = lower_bound(problem, rule.metric, *sides, confidence=bound_confidence, resamples=resamples, seed=seed)
    return Compared(
        metric=rule.metric,
        challenger=compared.challenger,
        production=compared.production,
        gain=compared.gain,
        lower=compared.lower,
        upper=compared.upper,
        rows=compared.rows,
        rows_left_out=fair.size - compared.rows,
        bound=bound,
        bound_confidence=None if bound is None else bound_confidence,
    )
