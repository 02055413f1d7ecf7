"""The rule `not_worse`: single comparisons, and years of weekly runs, through the real bounds and the real decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.simulation.models import PRODUCTION_AUC, as_predictions, draw_truth, separation
from bench.simulation.promotion import PROBLEM
from bench.simulation.share import Share

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from trainer.decision import Decision
    from trainer.pipeline import AgainstProduction
    from trainer.run.records import Compared

    Array = NDArray[Any]

MARGIN = 0.01
WEEKS = 52
FIRST, SECOND = "1", "2"
RETRAINING = 0.25
"""Standard deviation of the true gain of a model that is trained anew on data of the same kind, in margins."""
SINKING = 0.25
"""Loss of each challenger to the production of its week, in margins."""
JUST_WORSE = 1.05
"""Loss of each challenger to the first version, in margins."""

Kind = Literal["equal", "sinking", "just worse", "sinking, production only"]


def freshness_rule() -> AgainstProduction:
    """The churn pipeline's rule with a margin."""
    from bench.simulation.promotion import shipped
    from trainer.pipeline import AgainstProduction

    given = shipped().gates.against_production.model_dump()
    return AgainstProduction.model_validate({**given, "rule": "not_worse", "margin": MARGIN})


@dataclass(frozen=True)
class NotWorse:
    """One line of a table: challengers of one true loss to production, whose anchor is as good as production."""

    loss: float
    """In margins."""
    rows: int
    trials: int
    correlation: float = 0.99
    few_rows: bool = False
    """True: the challenger answers as production does, but to few rows, to which it answers the other way round."""

    def run(self, seed: int, first: int, count: int) -> list[Share]:
        """Of some of the trials: those promoted, and those whose bound against production alone exceeds the margin."""
        import numpy as np

        rule, own = freshness_rule(), [round(1000 * part) for part in (self.loss, self.correlation, self.few_rows)]
        streams = (np.random.default_rng([seed, *own, self.rows, trial]) for trial in range(first, first + count))
        decisions = [self._decide(rule, random) for random in streams]
        passed = [decision.gates[0].verdict == "passed" for decision in decisions]
        return [Share(sum(one.outcome == "promote" for one in decisions), count), Share(sum(passed), count)]

    def _decide(self, rule: AgainstProduction, random: Generator) -> Decision:
        positive = draw_truth(random, self.rows)
        aucs = [PRODUCTION_AUC - MARGIN * self.loss, PRODUCTION_AUC, PRODUCTION_AUC]
        challenger, production, anchor = draw_scores(random, positive, aucs, self.correlation)
        if self.few_rows:
            challenger = _reversed_in_few_rows(random, production, self.loss * MARGIN)
        compared = compare_as_run(rule, positive, challenger, production, rule.confidence)
        before = compare_as_run(rule, positive, challenger, anchor, rule.anchor_confidence)
        return decide(rule, compared, before, anchor=SECOND)


@dataclass(frozen=True)
class Year:
    """One line of a table: years of weekly runs with challengers of one kind, each year with models of its own."""

    kind: Kind
    rows: int
    """New test rows a week."""
    trials: int
    correlation: float = 0.99
    weeks: int = WEEKS

    def run(self, seed: int, first: int, count: int) -> list[Share]:
        """Of some of the years: promotions among runs; years in which production was ever worse than the first version.

        The second share counts those worse by more than the margin, the third those worse by more than twice as much.
        """
        import numpy as np

        own = int.from_bytes(self.kind.encode()[-4:], "big")
        streams = (np.random.default_rng([seed, own, self.rows, trial]) for trial in range(first, first + count))
        years = [self._losses(freshness_rule(), random) for random in streams]
        worst = [max(losses) for _, losses in years]
        beyond = [Share(sum(loss > times * MARGIN + 1e-12 for loss in worst), count) for times in (1, 2)]
        return [Share(sum(promoted for promoted, _ in years), count * self.weeks), *beyond]

    def _losses(self, rule: AgainstProduction, random: Generator) -> tuple[int, list[float]]:
        """Return the number of promotions, and production's true loss to the first version after each week."""
        production = anchor = PRODUCTION_AUC
        promoted, losses = 0, list[float]()
        for _ in range(self.weeks):
            challenger = self._challenger(random, production)
            decision = self._week(rule, random, [challenger, production, anchor])
            if decision.outcome == "promote":
                promoted, production = promoted + 1, challenger
                anchor = challenger if decision.promoted_as == "better" else anchor
            losses.append(PRODUCTION_AUC - production)
        return promoted, losses

    def _challenger(self, random: Generator, production: float) -> float:
        """Return the true area of a week's challenger."""
        if self.kind == "equal":
            return PRODUCTION_AUC + MARGIN * RETRAINING * float(random.normal())
        return PRODUCTION_AUC - MARGIN * JUST_WORSE if self.kind == "just worse" else production - MARGIN * SINKING

    def _week(self, rule: AgainstProduction, random: Generator, aucs: list[float]) -> Decision:
        """Decide on rows of this week's own."""
        positive = draw_truth(random, self.rows)
        challenger, production, anchor = draw_scores(random, positive, aucs, self.correlation)
        is_own = aucs[1] == aucs[2]
        compared = compare_as_run(rule, positive, challenger, production, rule.confidence)
        before, bound = compared, compared.bound or 0.0
        if self.kind != "sinking, production only" and bound > -MARGIN:  # else nothing is promoted, whatever the anchor
            other = production if is_own else anchor
            before = compare_as_run(rule, positive, challenger, other, rule.anchor_confidence)
        return decide(rule, compared, before, anchor=FIRST if is_own else SECOND)


def draw_scores(random: Generator, positive: Array, aucs: list[float], correlation: float) -> list[Array]:
    """Draw the scores (n,) of models with these true areas, any two of which correlate as much within a class."""
    shared = correlation**0.5 * random.normal(size=positive.size)
    own = (1 - correlation) ** 0.5
    return [separation(auc) * positive + shared + own * random.normal(size=positive.size) for auc in aucs]


def compare_as_run(
    rule: AgainstProduction, positive: Array, challenger: Array, other: Array, bound_confidence: float
) -> Compared:
    """Compare scores (n,) as `evaluate` does, on rows that no model has learned from."""
    import numpy as np

    from trainer.evaluation.comparison import compare
    from trainer.problems import problem_of

    all_rows = np.ones(positive.size, dtype=bool)
    sides = (as_predictions(positive, challenger), as_predictions(positive, other))
    return compare(problem_of(PROBLEM), rule, *sides, all_rows, bound_confidence=bound_confidence)


def decide(rule: AgainstProduction, compared: Compared, before: Compared, *, anchor: str) -> Decision:
    """Return the decision, without absolute limits; production is version 1."""
    from trainer.decision import decide as decide_gates
    from trainer.pipeline import Gates
    from trainer.run.records import EvaluateResult

    evaluation = EvaluateResult(
        winner="challenger", candidates=[], model_uri="", model_id="", run_id="", test_rows=compared.rows, metrics={},
        production_version=FIRST, comparison=compared, anchor_version=anchor, anchor_comparison=before,
    )  # fmt: skip
    return decide_gates(Gates(against_production=rule), evaluation)


def _reversed_in_few_rows(random: Generator, production: Array, loss: float) -> Array:
    """Return production's scores (n,), of which so few are mirrored that the area A loses `loss`.

    Mirrored, a score comes from the other class; if a share q of the rows are, A - 1/2 shrinks by 1 - 2 q.
    """
    import numpy as np

    mirrored = random.random(production.size) < loss / (2 * (PRODUCTION_AUC - 0.5))
    scores: Array = np.where(mirrored, separation(PRODUCTION_AUC) - production, production)
    return scores
