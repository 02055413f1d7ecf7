"""What is decided about a challenger, and why: pure functions of figures and limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.pipeline import Gates, Limit
    from trainer.run.results import Compared, EvaluateResult

Verdict = Literal["passed", "failed", "not_better"]
Outcome = Literal["promote", "keep", "refuse"]

AGAINST_PRODUCTION = "against_production"


class GateResult(BaseModel):
    """One gate: what was found, what was asked, and what follows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: float | None
    """The challenger's figure; for the comparison, its gain over production."""
    limit: float
    production: float | None = None
    """Production's figure on the same rows."""
    interval: tuple[float, float] | None = None
    """Confidence interval of the gain."""
    verdict: Verdict
    reason: str


class Decision(BaseModel):
    """The outcome and every gate that led to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    reason: str
    gates: list[GateResult]
    compared_with: str
    """Production's version at the time; empty: there was none."""


def decide(gates: Gates, evaluation: EvaluateResult) -> Decision:
    """Refuse if any figure fails its limit or is missing; promote if better than production beyond noise; else keep."""
    results = [_absolute(limit, evaluation.metrics, evaluation.production_metrics) for limit in gates.limits()]
    results.append(_against_production(gates, evaluation))
    failed = [gate for gate in results if gate.verdict == "failed"]
    if failed:
        outcome: Outcome = "refuse"
        reason = "; ".join(f"{gate.name}: {gate.reason}" for gate in failed)
    else:
        outcome = "keep" if results[-1].verdict == "not_better" else "promote"
        reason = results[-1].reason
    return Decision(outcome=outcome, reason=reason, gates=results, compared_with=evaluation.production_version)


def _absolute(limit: Limit, figures: Mapping[str, float], production: Mapping[str, float]) -> GateResult:
    value = figures.get(limit.metric)
    verdict, reason = _against_limit(value, limit)
    return GateResult(
        name=limit.metric,
        value=value if _is_figure(value) else None,
        limit=limit.limit,
        production=production.get(limit.metric),
        verdict=verdict,
        reason=reason,
    )


def _against_limit(value: float | None, limit: Limit) -> tuple[Verdict, str]:
    if value is None:
        return "failed", "the figure is missing"
    if not math.isfinite(value):
        return "failed", f"the figure is {value}, which is no number to judge by"
    higher = limit.better == "higher"
    if (value >= limit.limit) if higher else (value <= limit.limit):
        return "passed", f"{value:.6g} is {'at least' if higher else 'at most'} {limit.limit:.6g}"
    return "failed", f"{value:.6g} is {'below' if higher else 'above'} the limit {limit.limit:.6g}"


def _against_production(gates: Gates, evaluation: EvaluateResult) -> GateResult:
    rule = gates.against_production
    compared = evaluation.comparison
    if not evaluation.production_version:
        verdict: Verdict = "passed"
        reason = "there is no production model yet"
    elif compared is None:
        verdict = "failed"
        reason = (
            f"fewer than {rule.min_rows} test rows are new to production version {evaluation.production_version}, "
            "so the two models cannot be compared"
        )
    else:
        verdict, reason = _gain(compared, rule.min_gain, rule.confidence)
    return GateResult(
        name=AGAINST_PRODUCTION,
        value=compared.gain if compared and _is_figure(compared.gain) else None,
        limit=rule.min_gain,
        production=compared.production if compared and _is_figure(compared.production) else None,
        interval=_interval(compared),
        verdict=verdict,
        reason=reason,
    )


def _interval(compared: Compared | None) -> tuple[float, float] | None:
    known = compared is not None and _is_figure(compared.lower) and _is_figure(compared.upper)
    return (compared.lower, compared.upper) if compared and known else None


def _gain(compared: Compared, min_gain: float, confidence: float) -> tuple[Verdict, str]:
    if not all(_is_figure(value) for value in (compared.gain, compared.lower, compared.upper)):
        return "failed", "the comparison with production gave no number to judge by"
    found = (
        f"gain in {compared.metric} {compared.gain:+.4f}, {confidence:.0%} interval "
        f"{compared.lower:+.4f} to {compared.upper:+.4f} over {compared.rows} rows"
    )
    if compared.lower > min_gain:
        return "passed", f"better than production beyond noise: {found}"
    return "not_better", f"not shown to be better than production by more than {min_gain:g}: {found}"


def _is_figure(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
