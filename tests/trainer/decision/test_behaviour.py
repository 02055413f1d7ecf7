"""What is decided about behaviour: an expectation that was not tried is one that failed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trainer.decision import Decision, decide
from trainer.decision.behaviour import behaviour_result
from trainer.pipeline import Behaviour, Gates
from trainer.run.records import Behaved, EvaluateResult, Segment


def expected(expect: str = "does_not_rise", tolerance: float = 0.0, name: str = "tenure") -> Behaviour:
    values = {"name": name, "set": {"tenure": "tenure + 12"}, "expect": expect, "tolerance": tolerance}
    return Behaviour.model_validate(values)


def behaved(**values: Any) -> Behaved:
    """What was found; figures that are not finite are let through, as a mistake elsewhere might."""
    defaults = {
        "name": "tenure", "expect": "does_not_rise", "rows": 40, "mean_change": 0.0, "largest_change": 0.0,
        "tolerance": 0.0,
    }  # fmt: skip
    return Behaved.model_construct(**{**defaults, **values})


@pytest.mark.parametrize(
    ("expect", "tolerance", "found", "verdict"),
    [
        pytest.param("does_not_rise", 0, {"mean_change": -0.2, "largest_change": 0.3}, "passed", id="falls"),
        pytest.param("does_not_rise", 0, {"mean_change": 0.0, "largest_change": 0.3}, "passed", id="stays-on-average"),
        pytest.param("does_not_rise", 0, {"mean_change": 1e-6}, "failed", id="rises"),
        pytest.param("does_not_rise", 0.01, {"mean_change": 0.01}, "passed", id="rises-within-tolerance"),
        pytest.param("does_not_rise", 0.01, {"mean_change": 0.011}, "failed", id="rises-above-tolerance"),
        pytest.param("does_not_fall", 0, {"mean_change": 0.2}, "passed", id="rises-as-it-may"),
        pytest.param("does_not_fall", 0, {"mean_change": -1e-6}, "failed", id="falls-as-it-must-not"),
        pytest.param("does_not_fall", 0.01, {"mean_change": -0.01}, "passed", id="falls-within-tolerance"),
        pytest.param("does_not_fall", 0.01, {"mean_change": -0.011}, "failed", id="falls-below-tolerance"),
        pytest.param("unchanged", 0, {}, "passed", id="unchanged"),
        pytest.param("unchanged", 0, {"largest_change": 1e-6}, "failed", id="one-row-changed"),
        pytest.param("unchanged", 0.1, {"largest_change": 0.1}, "passed", id="changed-within-tolerance"),
        pytest.param("unchanged", 0.1, {"largest_change": 0.11}, "failed", id="changed-above-tolerance"),
    ],
)
def test_change_against_tolerance(expect: str, tolerance: float, found: dict[str, float], verdict: str) -> None:
    result = behaviour_result(expected(expect, tolerance), [behaved(**found)])
    assert (result.name, result.kind, result.rows) == ("behaviour: tenure", "behaviour", 40)
    assert result.verdict == verdict
    assert result.limit == (-tolerance if expect == "does_not_fall" else tolerance)
    assert result.value == found.get("largest_change" if expect == "unchanged" else "mean_change", 0.0)


@pytest.mark.parametrize(
    "found", [[], [behaved(rows=0)], [behaved(name="other")]], ids=["not-tried", "no-row", "another-one"]
)
def test_what_was_not_tried_fails(found: list[Behaved]) -> None:
    result = behaviour_result(expected(), found)
    assert (result.verdict, result.rows) == ("failed", 0)
    assert result.reason == "no validation row was changed, so nothing is known of it"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=["nan", "inf", "minus-inf"])
@pytest.mark.parametrize("expect", ["unchanged", "does_not_rise", "does_not_fall"])
def test_a_change_that_is_not_finite_fails(expect: str, value: float) -> None:
    result = behaviour_result(expected(expect), [behaved(mean_change=value, largest_change=value)])
    assert (result.verdict, result.value) == ("failed", None)
    assert result.reason == f"the change is {value}, which is no number to judge by"


def decided(*found: Behaved) -> Decision:
    """The decision on a model whose figures are good, of which two things are expected."""
    rules = Gates.model_validate({
        "auc_roc": 0.8,
        "against_production": {"metric": "auc_roc"},
        "slices": [{"column": "plan", "limits": {"auc_roc": 0.7}}],
    })
    plan = Segment(column="plan", segment="a", rows=90, metrics={"auc_roc": 0.8})
    evaluation = EvaluateResult(
        winner="logistic", candidates=[], model_uri="", model_id="", run_id="", test_rows=90,
        metrics={"auc_roc": 0.9}, slices=[plan], behaviour=list(found),
    )  # fmt: skip
    return decide(rules, evaluation, [expected(), expected("unchanged", name="id")])


def test_gates_stand_in_order_whole_segments_behaviour_production() -> None:
    decision = decided(behaved(name="id"), behaved())
    assert decision.outcome == "promote"
    assert [(gate.name, gate.kind) for gate in decision.gates] == [
        ("auc_roc", "figure"),
        ("plan=a: auc_roc", "slice"),
        ("behaviour: tenure", "behaviour"),
        ("behaviour: id", "behaviour"),
        ("against_production", "comparison"),
    ]


def test_a_model_that_behaves_otherwise_is_refused_however_good_its_figures() -> None:
    decision = decided(behaved(mean_change=0.04, largest_change=0.1), behaved(name="id", largest_change=0.02, rows=7))
    assert decision.outcome == "refuse"
    assert decision.reason == (
        "behaviour: tenure: expected: does not rise; mean change +0.04 over 40 rows, tolerance 0; "
        "behaviour: id: expected: unchanged; largest change 0.02 over 7 rows, tolerance 0"
    )
