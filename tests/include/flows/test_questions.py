"""The question to a person names the rule and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.flows.questions import promotion_question
from trainer.decision import DecisionResult, GateResult, read_decision
from trainer.decision.step import DECISION_FILE

if TYPE_CHECKING:
    from trainer.run import RunFolder


def test_the_rule_not_worse_is_a_fact_of_the_question(kept_run: RunFolder) -> None:
    pipeline, result = kept_run.pipeline(), kept_run.at("decide").result(DecisionResult)
    decision = read_decision(kept_run)
    assert decision is not None
    assert "Rule" not in dict(promotion_question(pipeline, kept_run, result, "manual__1").facts)
    gate = GateResult(
        name="against_anchor", value=-0.001, limit=-0.01, kind="comparison", verdict="may_be_worse", reason="noise",
        rule="not_worse", margin=0.01, bound=-0.02, compared_with="3",
    )  # fmt: skip
    ruled = decision.model_copy(update={"gates": [gate]})
    kept_run.at("decide").write_json(DECISION_FILE, ruled.model_dump(mode="json"))
    question = promotion_question(pipeline, kept_run, result, "manual__1")
    assert dict(question.facts)["Rule"] == (
        "not_worse, margin 0.01; the gain's lower bound: -0.02 against the anchor (version 3)"
    )
    assert "| against\\_anchor | -0.001 | -0.01 | - | may be worse |" in question.body
