"""The rule `not_worse`: what is decided about a challenger beside production and its anchor."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trainer.decision import Decision, decide, rule_text
from trainer.pipeline import Gates
from trainer.run.records import Compared, EvaluateResult, Segment

RULE = {"metric": "auc_roc", "rule": "not_worse", "margin": 0.01, "min_rows": 40}
GATES = Gates.model_validate({"against_production": RULE})


def compared(bound: float | None = -0.005, lower: float = -0.006, **values: Any) -> Compared:
    fields = {
        "metric": "auc_roc", "challenger": 0.84, "production": 0.841, "gain": -0.001, "lower": lower, "upper": 0.004,
        "rows": 900, "rows_left_out": 0, "bound": bound, "bound_confidence": 0.95,
    }  # fmt: skip
    return Compared.model_construct(**{**fields, **values})


def evaluation(first: Compared | None, anchor: Compared | None, **values: Any) -> EvaluateResult:
    fields: dict[str, Any] = {
        "winner": "xgboost", "candidates": [], "model_uri": "", "model_id": "", "run_id": "", "test_rows": 1000,
        "metrics": {}, "production_version": "7", "comparison": first, "anchor_version": "3", "anchor_comparison": anchor,
        "rows_new_to_production": 900,
    }  # fmt: skip
    return EvaluateResult.model_construct(**{**fields, **values})


def decided(first: Compared | None, anchor: Compared | None, gates: Gates = GATES, **values: Any) -> Decision:
    return decide(gates, evaluation(first, anchor, **values))


def test_a_model_that_is_no_worse_than_both_is_promoted() -> None:
    decision = decided(compared(), compared(-0.0099, bound_confidence=0.99904))
    assert (decision.outcome, decision.promoted_as) == ("promote", "not_worse")
    assert (decision.compared_with, decision.anchor) == ("7", "3")
    assert decision.reason == (
        "no worse than production by 0.01: gain in auc_roc -0.0010, 95% lower bound -0.0050 over 900 rows; "
        "no worse than the anchor by 0.01: gain in auc_roc -0.0010, 99.9% lower bound -0.0099 over 900 rows"
    )
    production, anchor = decision.gates
    assert (production.name, production.rule, production.margin, production.bound) == (
        "against_production", "not_worse", 0.01, -0.005,
    )  # fmt: skip
    assert (anchor.name, anchor.limit, anchor.bound, anchor.compared_with) == ("against_anchor", -0.01, -0.0099, "3")
    assert rule_text(decision.gates) == (
        "not_worse, margin 0.01; the gain's lower bound: -0.005 against production (version 7), -0.0099 against the "
        "anchor (version 3)"
    )


@pytest.mark.parametrize(
    ("production", "anchor", "missed"),
    [
        pytest.param(-0.0101, -0.005, "production", id="production"),
        pytest.param(-0.005, -0.0101, "the anchor", id="anchor"),
        pytest.param(-0.01, -0.005, "production", id="exactly the margin"),
    ],
)
def test_a_model_that_may_be_worse_than_one_of_them_is_kept(production: float, anchor: float, missed: str) -> None:
    decision = decided(compared(production), compared(anchor))
    assert (decision.outcome, decision.promoted_as) == ("keep", "")
    assert decision.reason.startswith(f"not shown to be no worse than {missed} by 0.01: gain in auc_roc -0.0010")
    assert "; " not in decision.reason
    assert sorted(gate.verdict for gate in decision.gates) == ["may_be_worse", "passed"]


def test_the_first_model_needs_no_anchor() -> None:
    decision = decided(None, None, production_version="", anchor_version="")
    assert (decision.outcome, decision.promoted_as, rule_text(decision.gates)) == (
        "promote", "first", "not_worse, margin 0.01; there is no production model to compare with",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("production", "anchor", "ground"),
    [(0.001, 0.001, "better"), (0.001, -0.001, "not_worse"), (-0.001, 0.001, "not_worse")],
    ids=["than both", "than production", "than the anchor"],
)
def test_only_a_model_better_than_both_is_the_next_anchor(production: float, anchor: float, ground: str) -> None:
    decision = decided(compared(lower=production), compared(lower=anchor))
    assert (decision.outcome, decision.promoted_as) == ("promote", ground)
    assert ("better than both" in decision.reason) is (ground == "better")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"anchor_version": "", "anchor_missing": "version 2 is gone"}, "needs an anchor: version 2 is gone"),
        ({"anchor_version": ""}, "needs an anchor: its version is not on record"),
        ({"anchor_comparison": compared(None)}, "the comparison with the anchor gave no number to judge by"),
        ({"anchor_comparison": compared(math.nan)}, "the comparison with the anchor gave no number to judge by"),
        ({"comparison": compared(None)}, "the comparison with production gave no number to judge by"),
        (
            {"comparison": None, "anchor_comparison": None, "rows_new_to_production": 39},
            "39 of 1,000 test rows are new to production version 7 and to the anchor, version 3, and 40 are needed",
        ),
        ({"anchor_comparison": None}, "test rows are new to production version 7 and to the anchor"),
    ],
)
def test_nothing_is_promoted_in_doubt(values: dict[str, Any], reason: str) -> None:
    fields = {"comparison": compared(), "anchor_comparison": compared(), **values}
    decision = decided(fields.pop("comparison"), fields.pop("anchor_comparison"), **fields)
    assert (decision.outcome, decision.promoted_as) == ("refuse", "")
    assert reason in decision.reason


def test_production_as_its_own_anchor_says_so() -> None:
    decision = decided(compared(), compared(-0.02), anchor_version="7")
    assert decision.outcome == "keep"
    assert "no worse than production as its own anchor by 0.01" in decision.reason


def test_a_segment_is_judged_beside_the_anchor_too() -> None:
    """Losses of a segment must not add up either."""
    worse = compared(upper=-0.06)
    segment = Segment(column="plan", segment="a", rows=900, metrics={}, comparison=compared(), anchor_comparison=worse)
    gates = Gates.model_validate({"against_production": RULE, "slices": [{"column": "plan", "max_loss": 0.05}]})
    decision = decided(compared(), compared(), gates, slices=[segment])
    assert decision.outcome == "refuse"
    assert decision.reason.startswith("plan=a: auc_roc anchor loss: worse than the anchor by more than 0.05")
    passed = segment.model_copy(update={"anchor_comparison": None})
    assert decided(compared(), compared(), gates, slices=[passed]).outcome == "promote"


def test_a_rollback_holds_against_a_fresh_model_too() -> None:
    decision = decide(GATES, evaluation(compared(), compared()), rollback="a rollback holds")
    assert (decision.outcome, decision.reason, decision.promoted_as) == ("keep", "a rollback holds", "")
