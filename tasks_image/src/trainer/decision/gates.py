"""What is decided about a challenger, and why: pure functions of figures and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from trainer.decision.behaviour import behaviour_result
from trainer.decision.result import GateResult, against_limit, figure_or_none, interval_of, is_figure
from trainer.decision.slices import slice_results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainer.decision.result import Verdict
    from trainer.pipeline import Behaviour, Gates, Limit
    from trainer.run.records import Compared, EvaluateResult

Outcome = Literal["promote", "keep", "refuse"]

AGAINST_PRODUCTION = "against_production"


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
    """Refuse if any figure fails its limit or is missing; promote if better than production beyond noise; else keep.

    The comparison with production stands last. A `rollback` that holds keeps production, whatever the comparison says.
    Where too few test rows are new to production, that is a failure, unless the pipeline `waits_for_rows`.
    """
    results = [_absolute(limit, evaluation.metrics, evaluation.production_metrics) for limit in gates.limits()]
    metric = gates.against_production.metric
    too_few: Verdict = "not_better" if waits_for_rows else "failed"
    results += [result for gate in gates.slices for result in slice_results(gate, metric, evaluation, too_few)]
    results += [behaviour_result(expected, evaluation.behaviour) for expected in behaviour]
    results.append(_against_production(gates, evaluation, too_few))
    failed = [gate for gate in results if gate.verdict == "failed"]
    if failed:
        outcome: Outcome = "refuse"
        reason = "; ".join(f"{gate.name}: {gate.reason}" for gate in failed)
    else:
        outcome = "keep" if rollback or results[-1].verdict == "not_better" else "promote"
        reason = rollback or results[-1].reason
    return Decision(outcome=outcome, reason=reason, gates=results, compared_with=evaluation.production_version)


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


def _against_production(gates: Gates, evaluation: EvaluateResult, too_few: Verdict) -> GateResult:
    rule = gates.against_production
    compared = evaluation.comparison
    if not evaluation.production_version:
        verdict: Verdict = "passed"
        reason = "there is no production model yet"
    elif compared is None:
        verdict = too_few
        reason = _too_few(rule.min_rows, evaluation)
    else:
        verdict, reason = _gain(compared, rule.min_gain, rule.confidence)
    return GateResult(
        name=AGAINST_PRODUCTION,
        value=figure_or_none(compared.gain) if compared else None,
        limit=rule.min_gain,
        production=figure_or_none(compared.production) if compared else None,
        interval=interval_of(compared),
        kind="comparison",
        verdict=verdict,
        reason=reason,
    )


def _too_few(needed: int, evaluation: EvaluateResult) -> str:
    new = evaluation.rows_new_to_production
    found = f"fewer than {needed}" if new is None else f"{new:,} of {evaluation.test_rows:,}"
    return (
        f"{found} test rows are new to production version {evaluation.production_version}, and {needed} are needed to "
        "compare the two models"
    )


def _gain(compared: Compared, min_gain: float, confidence: float) -> tuple[Verdict, str]:
    if not all(is_figure(value) for value in (compared.gain, compared.lower, compared.upper)):
        return "failed", "the comparison with production gave no number to judge by"
    found = (
        f"gain in {compared.metric} {compared.gain:+.4f}, {confidence:.0%} interval "
        f"{compared.lower:+.4f} to {compared.upper:+.4f} over {compared.rows} rows"
    )
    if compared.lower > min_gain:
        return "passed", f"better than production beyond noise: {found}"
    if compared.gain == compared.lower == compared.upper == 0:
        found += "; both models score alike, as one that is fitted again on the same rows with the same parameters does"
    return "not_better", f"not shown to be better than production by more than {min_gain:g}: {found}"
