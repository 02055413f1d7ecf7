"""Years of weekly looks at scored rows, judged by the bootstrap and the decision that monitoring uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
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
        """Return in how many of some of the trials a training run is started, and how many looks count.

        Each trial has a random stream of its own, and draws the reference anew.
        """
        import numpy as np

        started = counted = 0
        for trial in range(first, first + count):
            random = np.random.default_rng([seed, round(self.drop * 1e6), self.reference_rows, self.rows, trial])
            looks = [*self._looks(random)]
            started += any(is_started(looks[: week + 1]) for week in range(len(looks)))
            counted += sum(look.drop_bound is not None and look.drop_bound > 0 for look in looks)
        return [Share(started, count), Share(counted, count * self.weeks)]

    def _looks(self, random: Generator) -> list[LookEvidence]:
        from trainer.run.records import LookEvidence

        reference = Side(draw_answers(random, self.reference_rows, 0.0), seed=41)
        found = []
        for week in range(self.weeks):
            look = Side(draw_answers(random, self.rows, self.drop), seed=42)
            drop = reference.value - look.value
            started = (BEGIN + timedelta(weeks=week)).isoformat(timespec="microseconds")
            # Below the limit a look does not count, whatever its bound, which takes a thousand times longer.
            bound = reference.drop_bound(look) if drop >= LIMIT else None
            found.append(
                LookEvidence(
                    look=f"week {week}", started_at=started, performance_drop=drop, drop_bound=bound, drift_share=0.0
                )
            )
        return found


@dataclass(eq=False)
class Side:
    """Answers to some rows; resampled only when a bound is asked for."""

    answers: Predictions
    seed: int

    @cached_property
    def value(self) -> float:
        """The ROC-AUC on the rows."""
        from trainer.problems import problem_of

        return problem_of(PROBLEM).score(self.answers, [METRIC])[METRIC]

    @cached_property
    def resampled(self) -> Resampled:
        """The ROC-AUC in resamples of the rows, as monitoring draws them."""
        from trainer.evaluation.bootstrap import resampled
        from trainer.problems import problem_of

        count = shipped().gates.against_production.resamples
        return resampled(problem_of(PROBLEM), METRIC, self.answers, resamples=count, seed=self.seed)

    def drop_bound(self, look: Side) -> float:
        """Return monitoring's lower bound of the drop from these rows to those of a look."""
        from trainer.evaluation.bootstrap import drop_bound, loss_of

        return drop_bound(loss_of(self.resampled, look.resampled)[1])


def draw_answers(random: Generator, rows: int, drop: float) -> Predictions:
    """Return answers to new rows of a model whose true ROC-AUC has dropped."""
    positive = draw_truth(random, rows)
    scores = separation(PRODUCTION_AUC - drop) * positive + random.normal(size=rows)
    return as_predictions(positive, scores)


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
