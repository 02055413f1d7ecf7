"""What is decided about a challenger, and why: pure functions of figures and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from trainer.decision.behaviour import behaviour_result
from trainer.decision.comparison import Ground, comparison_results, ground_of
from trainer.decision.result import GateResult, against_limit, figure_or_none
from trainer.decision.slices import slice_results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.decision.result import Verdict
    from trainer.pipeline import Behaviour, Gates, Limit
    from trainer.run.records import EvaluateResult

Outcome = Literal["promote", "keep", "refuse"]


class Decision(BaseModel):
    """The outcome and every gate that led to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    reason: str
    gates: list[GateResult]
    compared_with: str
    """Production's version at the time; empty: there was none."""
    asks: list[str] = []
    """The reasons for which a person has to approve it; empty if nobody has to."""
    promoted_as: Ground = ""
    """The ground of a decision to promote; empty for others."""
    anchor: str = ""
    """The version that margins count from, with the rule `not_worse`."""
    made_from: dict[str, str] = {}
    """The records that were judged: the path of each one's step in the run folder, and its SHA-256."""


def decide(
    gates: Gates,
    evaluation: EvaluateResult,
    behaviour: Sequence[Behaviour] = (),
    *,
    rollback: str = "",
    waits_for_rows: bool = False,
) -> Decision:
    """Refuse if any figure fails its limit or is missing; promote if the rule against production is met; else keep.

    The comparison with production and, with the rule `not_worse`, with the anchor stand last. A `rollback` that holds
    keeps production, whatever they say. If too few test rows are new to production, that is a failure, unless the
    pipeline `waits_for_rows`.
    """
    rule = gates.against_production
    results = [_absolute(limit, evaluation.metrics, evaluation.production_metrics) for limit in gates.limits()]
    too_few: Verdict = "not_better" if waits_for_rows else "failed"
    results += [result for gate in gates.slices for result in slice_results(gate, rule.metric, evaluation, too_few)]
    results += [behaviour_result(expected, evaluation.behaviour) for expected in behaviour]
    compared = comparison_results(rule, evaluation, too_few)
    results += compared
    failed = [gate for gate in results if gate.verdict == "failed"]
    missed = [gate for gate in compared if gate.verdict != "passed"]
    ground: Ground = "" if failed or missed or rollback else ground_of(rule, evaluation)
    if failed:
        outcome: Outcome = "refuse"
        reason = "; ".join(f"{gate.name}: {gate.reason}" for gate in failed)
    else:
        outcome = "keep" if rollback or missed else "promote"
        reason = rollback or "; ".join(gate.reason for gate in missed or compared)
    if ground == "better" and rule.rule == "not_worse":
        reason += "; better than both beyond noise, so margins count from it from now on"
    return Decision(
        outcome=outcome,
        reason=reason,
        gates=results,
        compared_with=evaluation.production_version,
        promoted_as=ground,
        anchor=evaluation.anchor_version,
    )


def _absolute(limit: Limit, figures: Mapping[str, float], production: Mapping[str, float]) -> GateResult:
    value = figures.get(limit.metric)
    verdict, reason = against_limit(value, limit)
    return GateResult(
        name=limit.metric,
        value=figure_or_none(value),
        limit=limit.limit,
        production=production.get(limit.metric),
        verdict=verdict,
        reason=reason,
    )
