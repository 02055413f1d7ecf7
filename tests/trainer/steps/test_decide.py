"""The step `decide`: the verdict and its reasons, kept whatever they are."""

from __future__ import annotations

from typing import Any

import pytest

from trainer.decision import DecisionResult, read_decision
from trainer.errors import ModelRefusedError, StepNotDoneError
from trainer.pipeline import pipeline_of
from trainer.steps import decide

COMPARED = {"metric": "auc_roc", "challenger": 0.84, "production": 0.83, "rows": 200, "rows_left_out": 0}


def against(runs: Any, gain: float, lower: float, upper: float) -> None:
    """Let the evaluation have compared with production's version 1."""
    comparison = {**COMPARED, "gain": gain, "lower": lower, "upper": upper}
    runs.edit("evaluate", production_version="1", production_metrics={"auc_roc": 0.83}, comparison=comparison)


def decision(runs: Any) -> DecisionResult:
    result: DecisionResult = runs.folder.at("decide").result(DecisionResult)
    return result


def test_the_step_is_the_light_one_of_the_scheduler() -> None:
    assert decide.run.__module__ == "trainer.decision.step"


def test_the_first_model_is_promoted(accepted: Any) -> None:
    result = decision(accepted)
    assert (result.outcome, result.compared_with, result.winner) == ("promote", "", "logistic")
    assert result.reason == "there is no production model yet"


@pytest.mark.parametrize(
    ("gain", "lower", "upper", "outcome"),
    [(0.02, 0.005, 0.03, "promote"), (0.02, -0.001, 0.04, "keep"), (-0.02, -0.03, -0.01, "keep")],
    ids=["better", "noise", "worse"],
)
def test_production_is_replaced_only_by_a_better_one(
    accepted: Any, gain: float, lower: float, upper: float, outcome: str
) -> None:
    against(accepted, gain, lower, upper)
    accepted.step("decide")
    assert (decision(accepted).outcome, decision(accepted).compared_with) == (outcome, "1")


def test_without_a_comparison_with_production_the_challenger_is_refused(accepted: Any) -> None:
    accepted.edit("evaluate", production_version="1", production_metrics={"auc_roc": 0.83}, comparison=None)
    with pytest.raises(ModelRefusedError, match="fewer than 30 test rows are new to production version 1"):
        accepted.step("decide")


def test_a_refusal_is_final_and_its_reasons_are_kept(accepted: Any) -> None:
    gates = {**accepted.frozen.gates.model_dump(mode="json"), "auc_roc": 0.999}
    strict = pipeline_of({**accepted.frozen.model_dump(mode="json"), "gates": gates})
    with pytest.raises(
        ModelRefusedError, match=r"challenger \(logistic\) is refused: auc_roc: .* is below the limit 0.999"
    ):
        accepted.step("decide", pipeline=strict)
    kept = read_decision(accepted.folder)
    assert kept is not None
    failed = [gate.name for gate in kept.gates if gate.verdict == "failed"]
    assert (kept.outcome, failed, {gate.kind for gate in kept.gates}) == (
        "refuse",
        ["auc_roc"],
        {"figure", "behaviour", "comparison"},
    )
    failure = accepted.folder.at("decide").failure()
    assert failure is not None
    assert failure.exit_code == 4
    with pytest.raises(StepNotDoneError):
        decision(accepted)


def test_nothing_is_decided_without_an_evaluation(trained: Any) -> None:
    with pytest.raises(StepNotDoneError, match="step 'evaluate' is not done"):
        trained.step("decide")
