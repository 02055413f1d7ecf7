"""The rule against production: `better`, or `not_worse` by a margin than production and than the anchor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainer.decision.result import GateResult, figure_or_none, interval_of, is_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.decision.result import Verdict
    from trainer.pipeline import AgainstProduction
    from trainer.run.records import Compared, EvaluateResult

AGAINST_PRODUCTION, AGAINST_ANCHOR = "against_production", "against_anchor"

Ground = Literal["", "first", "better", "not_worse"]


def comparison_results(rule: AgainstProduction, evaluation: EvaluateResult, too_few: Verdict) -> list[GateResult]:
    """Return the comparison with production and, with the rule `not_worse`, the one with the anchor.

    `too_few` is the verdict if too few rows are new to the models.
    """
    if not evaluation.production_version:
        return [_result(rule, AGAINST_PRODUCTION, "", None, "passed", "there is no production model yet")]
    compared = evaluation.comparison
    if compared is None:
        verdict, reason = too_few, _too_few(rule.min_rows, evaluation)
    elif rule.rule == "better":
        verdict, reason = _gain(compared, rule.min_gain, rule.confidence)
    else:
        verdict, reason = _loss(compared, rule, "production")
    version = evaluation.production_version
    results = [_result(rule, AGAINST_PRODUCTION, version, compared, verdict, reason)]
    return results if rule.rule == "better" else [*results, _against_anchor(rule, evaluation, too_few)]


def ground_of(rule: AgainstProduction, evaluation: EvaluateResult) -> Ground:
    """Return the ground on which a challenger that passes the rule is promoted.

    With `not_worse`, one that is better than production and than the anchor, beyond noise, is promoted as better. Only
    such a one is the next anchor, so that a lucky comparison with a production below the anchor does not lower it.
    """
    if not evaluation.production_version:
        return "first"
    if rule.rule == "better":
        return "better"
    compared = (evaluation.comparison, evaluation.anchor_comparison)
    is_better = all(one is not None and is_figure(one.lower) and one.lower > rule.min_gain for one in compared)
    return "better" if is_better else "not_worse"


def rule_text(gates: Sequence[GateResult]) -> str:
    """Return the rule `not_worse` with its margin and both bounds in one line; empty for the rule `better`."""
    compared = [gate for gate in gates if gate.rule == "not_worse"]
    if not compared:
        return ""
    rule = f"not_worse, margin {compared[0].margin:g}"
    if not any(gate.compared_with for gate in compared):
        return f"{rule}; there is no production model to compare with"
    names = {AGAINST_PRODUCTION: "production", AGAINST_ANCHOR: "the anchor"}
    bounds = [
        f"{'no bound' if gate.bound is None else f'{gate.bound:+.6g}'} against {names[gate.name]}"
        f"{f' (version {gate.compared_with})' if gate.compared_with else ''}"
        for gate in compared
    ]
    return f"{rule}; the gain's lower bound: {', '.join(bounds)}"


def _against_anchor(rule: AgainstProduction, evaluation: EvaluateResult, too_few: Verdict) -> GateResult:
    compared = evaluation.anchor_comparison
    if evaluation.anchor_missing or not evaluation.anchor_version:
        verdict: Verdict = "failed"
        reason = f"`rule: not_worse` needs an anchor: {evaluation.anchor_missing or 'its version is not on record'}"
    elif compared is None:
        verdict, reason = too_few, _too_few(rule.min_rows, evaluation)
    else:
        own = evaluation.anchor_version == evaluation.production_version
        verdict, reason = _loss(compared, rule, "production as its own anchor" if own else "the anchor")
    return _result(rule, AGAINST_ANCHOR, evaluation.anchor_version, compared, verdict, reason)


def _result(
    rule: AgainstProduction, name: str, version: str, compared: Compared | None, verdict: Verdict, reason: str
) -> GateResult:
    return GateResult(
        name=name,
        value=figure_or_none(compared.gain) if compared else None,
        limit=rule.min_gain if rule.margin is None else -rule.margin,
        production=figure_or_none(compared.production) if compared and name == AGAINST_PRODUCTION else None,
        interval=interval_of(compared),
        kind="comparison",
        verdict=verdict,
        reason=reason,
        rule=rule.rule,
        margin=rule.margin,
        bound=figure_or_none(compared.bound) if compared else None,
        compared_with=version,
    )


def _too_few(needed: int, evaluation: EvaluateResult) -> str:
    new = evaluation.rows_new_to_production
    found = f"fewer than {needed}" if new is None else f"{new:,} of {evaluation.test_rows:,}"
    known, models = f"production version {evaluation.production_version}", "two"
    if evaluation.anchor_version not in ("", evaluation.production_version):
        known, models = f"{known} and to the anchor, version {evaluation.anchor_version}", "three"
    return f"{found} test rows are new to {known}, and {needed} are needed to compare the {models} models"


def _gain(compared: Compared, min_gain: float, confidence: float) -> tuple[Verdict, str]:
    if not all(is_figure(value) for value in (compared.gain, compared.lower, compared.upper)):
        return "failed", "the comparison with production gave no number to judge by"
    found = (
        f"gain in {compared.metric} {compared.gain:+.4f}, {confidence:.0%} interval "
        f"{compared.lower:+.4f} to {compared.upper:+.4f} over {compared.rows} rows"
    )
    if compared.lower > min_gain:
        return "passed", f"better than production beyond noise: {found}"
    if compared.upper < 0:
        return "not_better", f"worse than production beyond noise: {found}"
    if compared.gain == compared.lower == compared.upper == 0:
        found += "; both models score alike, as one that is fitted again on the same rows with the same parameters does"
    return "not_better", f"not shown to be better than production by more than {min_gain:g}: {found}"


def _loss(compared: Compared, rule: AgainstProduction, other: str) -> tuple[Verdict, str]:
    """Return if the gain's lower bound exceeds the margin, and why; a bound that is missing fails."""
    bound, margin = compared.bound, rule.margin
    if margin is None or bound is None or not (is_figure(bound) and is_figure(compared.gain)):
        return "failed", f"the comparison with {other} gave no number to judge by"
    found = (
        f"gain in {compared.metric} {compared.gain:+.4f}, {100 * (compared.bound_confidence or 0):.3g}% lower bound "
        f"{bound:+.4f} over {compared.rows} rows"
    )
    if bound > -margin:
        return "passed", f"no worse than {other} by {margin:g}: {found}"
    if is_figure(compared.upper) and compared.upper < -margin:
        return "may_be_worse", f"worse than {other} by more than {margin:g}, beyond noise: {found}"
    return "may_be_worse", f"not shown to be no worse than {other} by {margin:g}: {found}"
