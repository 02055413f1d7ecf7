"""Who has to approve a promotion, and what follows from the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.world import quick_churn
from trainer.decision import (
    Answer,
    Decision,
    DecisionResult,
    GateResult,
    approve_run,
    final_outcome,
    require_promotion,
    unasked_answer,
)  # fmt: skip
from trainer.decision.approval import reasons_to_ask
from trainer.errors import ConfigurationError, ModelRefusedError, StepNotDoneError
from trainer.run import RunFolder
from trainer.run.records import DriftResult

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.pipeline import Pipeline

STABLE, DRIFTED = DriftResult(status="stable"), DriftResult(status="drifted", share=0.5)


def pipeline(when: str = "borderline", promote_to: str = "production", **approval: Any) -> Pipeline:
    return quick_churn(approval={"when": when, **approval}, run={"promote_to": promote_to})


def gate(kind: str, interval: tuple[float, float] | None, limit: float = 0.0) -> GateResult:
    fields = {"name": kind, "value": 0.0, "limit": limit, "interval": interval, "kind": kind, "verdict": "passed"}
    return GateResult.model_validate({**fields, "reason": "as it is"})


def decision(*gates: GateResult, outcome: str = "promote", asks: tuple[str, ...] = ()) -> Decision:
    fields = {"outcome": outcome, "reason": "as it is", "compared_with": "7", "asks": [*asks]}
    return Decision.model_validate({**fields, "gates": [one.model_dump() for one in gates]})


CLEAR = gate("comparison", (0.02, 0.06))
"""Its width is .04, and it begins half of that above the limit."""


def test_a_pipeline_that_asks_nobody() -> None:
    assert reasons_to_ask(pipeline("never"), decision(gate("comparison", (0.0001, 0.06))), DRIFTED) == []


def test_a_pipeline_that_always_asks() -> None:
    assert reasons_to_ask(pipeline("always"), decision(CLEAR), None) == ["the pipeline says `approval: always`"]


@pytest.mark.parametrize(
    ("outcome", "promote_to"), [("keep", "production"), ("refuse", "production"), ("promote", "staging")]
)
def test_only_a_decision_to_move_production_asks(outcome: str, promote_to: str) -> None:
    assert reasons_to_ask(pipeline("always", promote_to), decision(CLEAR, outcome=outcome), None) == []


def test_a_clear_gain_is_not_borderline() -> None:
    assert reasons_to_ask(pipeline(), decision(CLEAR, gate("slice", (-0.02, 0.02), 0.03)), STABLE) == []


def test_a_first_model_has_no_gain_to_be_borderline() -> None:
    assert reasons_to_ask(pipeline(), decision(gate("comparison", None)), DriftResult(status="no_reference")) == []


def test_drifted_data_is_borderline() -> None:
    assert reasons_to_ask(pipeline(), decision(CLEAR), DRIFTED) == ["the data has drifted: 50% of the columns"]


@pytest.mark.parametrize(("lower", "asks"), [(0.0039, True), (0.0045, False)], ids=["within a tenth", "beyond"])
def test_a_gain_that_barely_begins_above_its_limit_is_borderline(lower: float, asks: bool) -> None:
    found = reasons_to_ask(pipeline(), decision(gate("comparison", (lower, lower + 0.04))), STABLE)
    assert bool(found) is asks
    assert all("begins within a tenth of its width of min_gain (0)" in reason for reason in found)


@pytest.mark.parametrize(("bound", "asks"), [(-0.0061, True), (-0.0055, False)], ids=["within a tenth", "beyond"])
@pytest.mark.parametrize("name", ["against_production", "against_anchor"])
def test_a_bound_that_barely_exceeds_the_margin_is_borderline(name: str, bound: float, asks: bool) -> None:
    ruled = {"name": name, "rule": "not_worse", "margin": 0.01, "bound": bound}
    found = reasons_to_ask(
        pipeline(), decision(gate("comparison", (-0.007, 0.033), -0.01).model_copy(update=ruled)), STABLE
    )
    expected = f"{name}: the gain's lower bound {bound:+.4f} is within a tenth of the width of its interval"
    assert [reason.startswith(expected) for reason in found] == ([True] if asks else [])


@pytest.mark.parametrize(("limit", "asks"), [(0.01, True), (0.03, False)], ids=["contains", "does not"])
def test_a_segment_whose_loss_may_be_above_its_limit_is_borderline(limit: float, asks: bool) -> None:
    found = reasons_to_ask(pipeline(), decision(CLEAR, gate("slice", (-0.02, 0.02), limit)), STABLE)
    assert found == (["slice: the interval -0.0200 to +0.0200 of the gain contains the limit -0.0100"] if asks else [])


def test_all_reasons_are_given() -> None:
    near = gate("comparison", (0.0001, 0.06))
    assert len(reasons_to_ask(pipeline(), decision(near, gate("slice", (-0.02, 0.02), 0.01)), DRIFTED)) == 3


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run whose decision is to promote, and asks."""
    folder = RunFolder.open(str(tmp_path / "churn/key-1"))
    decided(folder, asks=("it is borderline",))
    return folder.at("approve")


def decided(folder: RunFolder, outcome: str = "promote", asks: tuple[str, ...] = ()) -> None:
    fields = {"outcome": outcome, "reason": "as it is", "compared_with": "7", "winner": "logistic", "asks": asks}
    folder.at("decide").finish(DecisionResult.model_validate(fields))


def person(outcome: Any, words: str = "") -> Answer:
    return Answer(outcome, "person", by="alice", words=words, at="2026-11-30T12:00:00+00:00")


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (person("promote"), "promote", "alice approved the promotion"),
        (person("keep", "not now"), "keep", "alice kept production: not now"),
        (Answer("keep", "timeout"), "keep", "nobody has answered within 72 h, so production stays"),
        (Answer("promote", "parameter"), "promote", "the run parameter `answer` approved the promotion"),
    ],
)  # fmt: skip
def test_an_answer_is_kept_with_who_gave_it(run: RunFolder, answer: Answer, outcome: str, reason: str) -> None:
    result = approve_run(pipeline(), run, answer)
    assert (result.outcome, result.reason, result.by, result.words) == (outcome, reason, answer.by, answer.words)
    assert (result.asked_because, result.answered_at) == (["it is borderline"], answer.at)


def test_silence_refuses_if_the_pipeline_says_so(run: RunFolder) -> None:
    with pytest.raises(ModelRefusedError, match=r"nobody has approved the challenger \(logistic\) within 2 h"):
        approve_run(pipeline(on_timeout="refuse", timeout_hours=2), run, Answer("keep", "timeout"))


def test_nobody_is_asked_in_vain(run: RunFolder) -> None:
    """An answer that comes without a question does not count either."""
    decided(run)
    result = approve_run(pipeline(), run, Answer("keep", "nobody"))
    assert (result.outcome, result.source) == ("promote", "not_asked")


def test_without_a_scheduler_production_stays_unless_the_run_says_otherwise(run: RunFolder) -> None:
    silent = approve_run(pipeline(), run, unasked_answer(pipeline()))
    assert (silent.outcome, silent.source) == ("keep", "nobody")
    assert '{"answer": "promote"}' in silent.reason
    answered = quick_churn(approval="always", run={"answer": "promote"})
    assert approve_run(answered, run, unasked_answer(answered)).outcome == "promote"


def test_no_step_promotes_what_was_not_approved(run: RunFolder) -> None:
    with pytest.raises(StepNotDoneError, match="approve"):
        require_promotion(pipeline(), run.at("promote"))
    run.finish(approve_run(pipeline(), run, person("keep")))
    with pytest.raises(ConfigurationError, match="step promote: the decision is to keep"):
        require_promotion(pipeline(), run.at("promote"))
    run.finish(approve_run(pipeline(), run, person("promote")))
    require_promotion(pipeline(), run.at("promote"))


@pytest.mark.parametrize("outcome", ["keep", "promote"])
def test_the_decision_counts_where_nobody_is_asked(run: RunFolder, outcome: str) -> None:
    decided(run, outcome)
    assert final_outcome(pipeline("never"), run) == outcome


def test_a_decision_to_keep_needs_no_answer(run: RunFolder) -> None:
    decided(run, "keep")
    assert final_outcome(pipeline("always"), run) == "keep"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("sometimes", "approval.when"),
        ({"when": "always", "timeout_hours": 0}, "approval.timeout_hours"),
        ({"when": "always", "timeout_hours": 1e300}, "approval.timeout_hours"),
        ({"when": "always", "queued_minutes": 0}, "approval.queued_minutes"),
        ({"when": "always", "queued_minutes": 1e300}, "approval.queued_minutes"),
        ({"when": "always", "on_timeout": "promote"}, "approval.on_timeout"),
        ({"when": "always", "assignees": [""]}, "approval.assignees"),
    ],
)
def test_a_wrong_section_is_refused(section: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        quick_churn(approval=section)
