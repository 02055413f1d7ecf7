"""Whether challengers of known true gain are promoted, by the bootstrap and the decision that a run uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.simulation.models import Rival, as_predictions, draw_production, draw_rival, draw_truth
from bench.simulation.share import Share

if TYPE_CHECKING:
    from numpy.random import Generator

    from trainer.decision.gates import Outcome
    from trainer.pipeline import AgainstProduction, Pipeline
    from trainer.problems.predictions import Predictions
    from trainer.run.records import Compared

CHURN = Path(__file__).parents[2] / "include" / "pipelines" / "churn.yaml"
PROBLEM = "binary_classification"


@dataclass(frozen=True)
class Promotion:
    """One line of a table: challengers of one kind, judged on so many rows."""

    name: str
    rows: int
    trials: int
    rival: Rival
    candidates: int = 1
    """Of how many equally good ones the challenger is the best by chance."""
    chosen_on: Literal["validation", "test"] = "validation"
    """The rows on which it is the best: others, as a run has it; or those that it is judged on, as none should."""

    def run(self, seed: int, first: int, count: int) -> list[Share]:
        """How many of some of the trials promote; each trial has a random stream of its own."""
        import numpy as np

        churn = shipped()
        own = int.from_bytes(self.name.encode()[-4:], "big")
        streams = (np.random.default_rng([seed, own, self.rows, trial]) for trial in range(first, first + count))
        return [Share(sum(is_promoted(churn, *self._draw(random)) for random in streams), count)]

    def _draw(self, random: Generator) -> tuple[Predictions, Predictions]:
        """The challenger's and production's answers on the test rows."""
        chosen = 0
        if self.candidates > 1 and self.chosen_on == "validation":
            chosen = _best(self._candidates(random)[1])
        production, candidates = self._candidates(random)
        if self.candidates > 1 and self.chosen_on == "test":
            chosen = _best(candidates)
        return candidates[chosen], production

    def _candidates(self, random: Generator) -> tuple[Predictions, list[Predictions]]:
        positive = draw_truth(random, self.rows)
        production = draw_production(random, positive)
        rivals = [draw_rival(random, self.rival, positive, production) for _ in range(self.candidates)]
        decimals = self.rival.decimals
        return as_predictions(positive, production, decimals), [as_predictions(positive, r, decimals) for r in rivals]


def shipped() -> Pipeline:
    """The churn pipeline, whose rules are simulated."""
    from trainer.pipeline import load_pipeline

    return load_pipeline(CHURN)


def is_promoted(pipeline: Pipeline, challenger: Predictions, production: Predictions) -> bool:
    """Compare two models' answers to the same rows as `evaluate` does, and return if `decide` promotes."""
    import numpy as np

    from trainer.evaluation.comparison import compare
    from trainer.problems import problem_of

    rule = pipeline.gates.against_production
    compared = compare(problem_of(PROBLEM), rule, challenger, production, np.ones(challenger.truth.size, dtype=bool))
    return outcome_of(rule, compared) == "promote"


def outcome_of(rule: AgainstProduction, compared: Compared | None, *, waits_for_rows: bool = False) -> Outcome:
    """Return the outcome of `decide`, without absolute limits; `compared` is None if too few rows are new."""
    from trainer.decision import decide
    from trainer.pipeline import Gates
    from trainer.run.records import EvaluateResult

    evaluation = EvaluateResult(
        winner="challenger",
        candidates=[],
        model_uri="",
        model_id="",
        run_id="",
        test_rows=compared.rows if compared else 0,
        metrics={},
        production_version="1",
        comparison=compared,
    )
    return decide(Gates(against_production=rule), evaluation, waits_for_rows=waits_for_rows).outcome


def _best(candidates: list[Predictions]) -> int:
    from trainer.problems import problem_of

    return max(range(len(candidates)), key=lambda at: problem_of(PROBLEM).score(candidates[at], ["auc_roc"])["auc_roc"])
