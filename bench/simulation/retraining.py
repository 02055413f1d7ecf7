"""Years of weekly looks at scored rows, judged by the bootstrap and the decision that monitoring uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING

from bench.simulation.models import PRODUCTION_AUC, as_predictions, draw_truth, separation
from bench.simulation.promotion import PROBLEM, shipped
from bench.simulation.share import Share

if TYPE_CHECKING:
    from numpy.random import Generator

    from trainer.evaluation.bootstrap import Resampled
    from trainer.pipeline import Retrain
    from trainer.problems.predictions import Predictions
    from trainer.run.records import LookEvidence

METRIC = "auc_roc"
WEEKS = 52
SOON = 3
"""Looks within which a drop has to be found."""
LIMIT = 0.02
"""The limit `performance_drop` of the years."""
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
"""Of the first look; production was promoted a year before."""


@dataclass(frozen=True)
class Looks:
    """One line of a table: weekly looks at a version whose true ROC-AUC has dropped by so much."""

    drop: float
    reference_rows: int
    rows: int
    """Labelled rows of a look, which no other look has."""
    weeks: int
    trials: int

    def run(self, seed: int, first: int, count: int) -> list[Share]:
        """Return in how many of some of the trials a training run is started, and how many looks reach the limit.

        Each trial has a random stream of its own, and draws the reference anew.
        """
        import numpy as np

        started = large = 0
        for trial in range(first, first + count):
            random = np.random.default_rng([seed, round(self.drop * 1e6), self.reference_rows, self.rows, trial])
            looks = self._looks(random)
            started += any(is_started(looks[: week + 1]) for week in range(len(looks)))
            large += sum((look.performance_drop or 0) >= LIMIT for look in looks)
        return [Share(started, count), Share(large, count * self.weeks)]

    def _looks(self, random: Generator) -> list[LookEvidence]:
        from trainer.monitoring.look import REFERENCE_SEED, SEED
        from trainer.run.records import LookEvidence

        reference = Side(draw_answers(random, self.reference_rows, 0.0), REFERENCE_SEED)
        looks = [Side(draw_answers(random, self.rows, self.drop), SEED) for _ in range(self.weeks)]
        drops = [reference.value - look.value for look in looks]
        return [
            LookEvidence(
                look=f"week {week}",
                started_at=(BEGIN + timedelta(weeks=week)).isoformat(timespec="microseconds"),
                performance_drop=drop,
                drop_bound=reference.drop_bound(look) if matters(drops, week) else None,
                drift_share=0.0,
            )
            for week, (look, drop) in enumerate(zip(looks, drops, strict=True))
        ]


def matters(drops: list[float], week: int) -> bool:
    """Return True if the bound of a week's drop can change a decision; it takes a hundred times longer than the drop.

    A look below the limit does not count, whatever its bound, nor do fewer than `at_least` looks among `looks`.
    """
    rule = retrain_rule()
    near = drops[max(0, week - rule.looks + 1) : week + rule.looks]
    return drops[week] >= LIMIT and sum(drop >= LIMIT for drop in near) >= rule.at_least


@dataclass(eq=False)
class Side:
    """Answers to some rows; resampled only when a bound is asked for."""

    answers: Predictions
    seed: int

    @cached_property
    def value(self) -> float:
        """The ROC-AUC on the rows, which do not tie: its rank form (Mann and Whitney 1947), five times as fast."""
        import numpy as np

        positive, probability = self.answers.truth, np.asarray(self.answers.probability)
        ranks = np.empty(positive.size)
        ranks[np.argsort(probability)] = np.arange(1, positive.size + 1)
        count = int(positive.sum())
        return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (positive.size - count)))

    @cached_property
    def resampled(self) -> Resampled:
        """The ROC-AUC in resamples of the rows, as monitoring draws them."""
        from trainer.evaluation.bootstrap import resampled
        from trainer.problems import problem_of

        return resampled(problem_of(PROBLEM), METRIC, self.answers, resamples=resamples(), seed=self.seed)

    def drop_bound(self, look: Side) -> float:
        """Return monitoring's lower bound of the drop from these rows to those of a look."""
        from trainer.evaluation.bootstrap import drop_bound, loss_of

        return drop_bound(loss_of(self.resampled, look.resampled)[1])


def draw_answers(random: Generator, rows: int, drop: float) -> Predictions:
    """Return answers to new rows of a model whose true ROC-AUC has dropped."""
    positive = draw_truth(random, rows)
    scores = separation(PRODUCTION_AUC - drop) * positive + random.normal(size=rows)
    return as_predictions(positive, scores)


@cache
def resamples() -> int:
    """Return how often rows are resampled for a bound."""
    return shipped().gates.against_production.resamples


@cache
def retrain_rule() -> Retrain:
    """Return the rule that is simulated."""
    from trainer.pipeline import Retrain, RetrainWhen

    return Retrain(when=RetrainWhen(performance_drop=LIMIT))


def is_started(looks: list[LookEvidence]) -> bool:
    """Return if the newest look starts a training run, none of those before having started one."""
    from trainer.decision.retraining import decide_retraining
    from trainer.run.records import Production

    promoted = (BEGIN - timedelta(weeks=WEEKS)).isoformat()
    production = Production(model="churn-predictor", version="1", since=promoted)
    return decide_retraining(retrain_rule(), looks, production=production, last=None, now=looks[-1].started_at).retrain
