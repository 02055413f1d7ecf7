"""The decisions that a rule would have taken, window by window, and what they would have cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from trainer.decision import decide
from trainer.errors import DataValidationError
from trainer.evaluation.comparison import compare
from trainer.pipeline import METRICS, AgainstProduction, Gates
from trainer.problems import problem_of
from trainer.run.records import Compared, EvaluateResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.backtest.fits import Data, Fit, Refit
    from trainer.backtest.windows import Window
    from trainer.pipeline import TabularPipeline
    from trainer.problems.predictions import Predictions

RuleName = Literal["better", "not_worse", "always"]


@dataclass(frozen=True)
class Live:
    """A window under one rule."""

    version: int
    """The window whose challenger was production in this one, counted from 1."""
    figure: float
    """Production's metric on the window's rows."""
    challenger: float
    """That of the window's own challenger."""
    outcome: str
    """The decision at the window's end: `first`, `promote`, `keep` or `refuse`."""
    reason: str


@dataclass(frozen=True)
class Replayed:
    """A rule with or without refit, over all windows."""

    rule: RuleName
    refit: Refit
    windows: list[Live]
    mean: float
    """Production's metric, on average over the rows of all windows."""

    @property
    def promotions(self) -> int:
        """The number of times that production changed."""
        return sum(one.outcome == "promote" for one in self.windows)


@dataclass(frozen=True)
class Contest:
    """A challenger, production and the anchor, each named by the window of its fit, counted from 0."""

    challenger: int
    production: int
    anchor: int
    refit: Refit


@dataclass(eq=False)
class Past:
    """The challengers of all windows, and how they compare; comparisons are made once."""

    pipeline: TabularPipeline
    data: Data
    windows: Sequence[Window]
    fits: Sequence[Fit]
    _compared: dict[Any, Compared] = field(default_factory=dict)

    @cached_property
    def rows(self) -> list[int]:
        """The rows of each window."""
        return [self._inside(at).sum() for at in range(len(self.windows))]

    def figure(self, model: int, refit: Refit, window: int) -> float:
        """Return the metric of the challenger of window `model` on the rows of a later, or its own, window."""
        metric = self.pipeline.gates.against_production.metric
        try:
            found = problem_of(self.pipeline.problem).score(self._answers(model, refit, window), [metric])
        except DataValidationError as error:
            error.add_note(f"in the window from {self.windows[window].begin}; use fewer windows")
            raise
        return found[metric]

    def compare(self, rule: AgainstProduction, contest: Contest, other: int, bound_confidence: float) -> Compared:
        """Compare a challenger with another one on the rows of its window, which none of them has learned from."""
        import numpy as np

        window, refit = contest.challenger, contest.refit
        key = (window, other, refit, rule.rule, bound_confidence)
        if key not in self._compared:
            ours, theirs = (self._answers(model, refit, window) for model in (window, other))
            all_rows = np.ones(ours.truth.size, dtype=bool)
            problem = problem_of(self.pipeline.problem)
            self._compared[key] = compare(problem, rule, ours, theirs, all_rows, bound_confidence=bound_confidence)
        return self._compared[key]

    def _inside(self, window: int) -> Any:
        times, place = self.data.times, self.windows[window]
        return (times >= place.begin) & (times < place.end)

    def _answers(self, model: int, refit: Refit, window: int) -> Predictions:
        inside = self._inside(window)
        answered = self.data.times >= self.windows[model].begin
        output = self.fits[model].answers[refit].filter(inside.filter(answered))
        columns = self.pipeline.columns
        truth = self.data.rows[columns.target].filter(inside)
        return problem_of(self.pipeline.problem).predictions(truth, output, columns.positive)


def replay(past: Past, name: RuleName, rule: AgainstProduction, refit: Refit) -> Replayed:
    """Take the decisions of a rule, window by window.

    The first challenger is production from its own window on. At the end of each later window its challenger is
    compared with production, and with the anchor, on the window's rows; one that is promoted is production from the
    next window on.
    """
    production = anchor = 0
    windows: list[Live] = []
    for at in range(len(past.windows)):
        figure, own = past.figure(production, refit, at), past.figure(at, refit, at)
        outcome, reason, ground = _decide(past, name, rule, Contest(at, production, anchor, refit))
        windows.append(Live(production + 1, figure, own, outcome, reason))
        if outcome == "promote":
            production, anchor = at, anchor if ground == "not_worse" else at
    mean = sum(one.figure * rows for one, rows in zip(windows, past.rows, strict=True)) / sum(past.rows)
    return Replayed(name, refit, windows, mean)


def loss_to(best: float, replayed: Replayed, metric: str) -> float:
    """Return by how much a rule's mean is worse than the best one's."""
    return best - replayed.mean if METRICS[metric].greater_is_better else replayed.mean - best


def best_mean(found: Sequence[Replayed], metric: str) -> float:
    """Return the best mean of all rules."""
    means = [one.mean for one in found]
    return max(means) if METRICS[metric].greater_is_better else min(means)


def _decide(past: Past, name: RuleName, rule: AgainstProduction, contest: Contest) -> tuple[str, str, str]:
    """Return the outcome, its reason and the ground of a promotion."""
    if contest.challenger == 0:
        return "first", "there is no production model yet", "first"
    if name == "always":
        return "promote", "the rule `always` asks nothing", "better"
    rows, compared, before = past.rows[contest.challenger], None, None
    if rows >= rule.min_rows:
        compared = past.compare(rule, contest, contest.production, rule.confidence)
        if name == "not_worse":
            before = past.compare(rule, contest, contest.anchor, rule.anchor_confidence)
    winner = past.fits[contest.challenger].winner
    evaluation = EvaluateResult(
        winner=winner, candidates=[], model_uri="", model_id="", run_id="", test_rows=rows,
        metrics={}, production_version=str(contest.production + 1), comparison=compared, rows_new_to_production=rows,
        anchor_version=str(contest.anchor + 1), anchor_comparison=before,
    )  # fmt: skip
    decision = decide(Gates(against_production=rule), evaluation)
    return decision.outcome, decision.reason, decision.promoted_as
