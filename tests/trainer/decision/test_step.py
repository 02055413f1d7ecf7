"""The step `decide`: what it keeps, hands over and raises."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from trainer.decision import DecisionResult, decide_run, read_decision
from trainer.errors import ModelRefusedError, StepNotDoneError
from trainer.pipeline import Pipeline, parse_pipeline
from trainer.run import RunFolder
from trainer.run.execute import execute
from trainer.run.made_from import digest_of
from trainer.run.records import Compared, DriftResult, EvaluateResult

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """
name: churn
description: who leaves
problem: binary_classification
source: {KIND: csv, uri: churn.csv}
columns: {target: churn, positive: "Yes"}
algorithms: {xgboost: {KIND: xgboost}}
tuning: {metric: auc_roc}
gates: {auc_roc: 0.8, against_production: {metric: auc_roc}}
registry: {model: churn-predictor, experiment: churn}
"""


@pytest.fixture
def pipeline() -> Pipeline:
    return parse_pipeline(PIPELINE, "churn.yaml")


@pytest.fixture
def step(tmp_path: Path) -> RunFolder:
    return RunFolder.open(str(tmp_path / "churn/key-1")).at("decide")


def evaluated(step: RunFolder, auc: float = 0.85, gain: float | None = None, rollback: str = "") -> None:
    """Write the result of `evaluate`; with a gain, against production version 7."""
    comparison = None
    if gain is not None:
        comparison = Compared(
            metric="auc_roc", challenger=auc, production=auc - gain, gain=gain, lower=gain - 0.01, upper=gain + 0.01,
            rows=900, rows_left_out=0,
        )  # fmt: skip
    step.at("evaluate").finish(
        EvaluateResult(
            winner="xgboost", candidates=[], model_uri="models:/m-1", model_id="m-1", run_id="r", test_rows=1000,
            metrics={"auc_roc": auc}, production_version="" if gain is None else "7", comparison=comparison,
            rollback=rollback,
        )
    )  # fmt: skip


def content(step: RunFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(step.read_text("decision.json"))
    return found


@pytest.mark.parametrize(
    ("gain", "outcome", "compared_with", "ground"),
    [
        pytest.param(None, "promote", "", "first", id="first"),
        pytest.param(0.05, "promote", "7", "better", id="better"),
        pytest.param(0.005, "keep", "7", "", id="noise"),
    ],
)
def test_what_the_next_steps_get(
    pipeline: Pipeline, step: RunFolder, gain: float | None, outcome: str, compared_with: str, ground: str
) -> None:
    evaluated(step, gain=gain)
    result = decide_run(pipeline, step)
    decision = read_decision(step)
    assert decision is not None
    shared = {"outcome": outcome, "reason": decision.reason, "compared_with": compared_with, "promoted_as": ground}
    assert result == DecisionResult.model_validate({**shared, "winner": "xgboost"})
    assert (decision.outcome, decision.compared_with) == (outcome, compared_with)


def test_the_file_holds_every_gate(pipeline: Pipeline, step: RunFolder) -> None:
    evaluated(step, gain=0.05)
    decide_run(pipeline, step)
    found = content(step)
    assert [*found] == ["outcome", "reason", "gates", "compared_with", "asks", "promoted_as", "anchor", "made_from"]
    assert [gate["name"] for gate in found["gates"]] == ["auc_roc", "against_production"]
    assert found["gates"][0] == {
        "name": "auc_roc", "value": 0.85, "limit": 0.8, "production": None, "interval": None, "rows": None,
        "kind": "figure", "verdict": "passed",
        "reason": "0.85 is at least 0.8",
        "rule": "", "margin": None, "bound": None, "compared_with": "",
    }  # fmt: skip
    assert found["gates"][1]["interval"] == pytest.approx([0.04, 0.06])


def test_a_refusal_is_kept_before_it_is_raised(pipeline: Pipeline, step: RunFolder) -> None:
    evaluated(step, auc=0.5)
    with pytest.raises(ModelRefusedError) as caught:
        execute(decide_run, pipeline, step)
    assert str(caught.value) == (
        "churn-predictor: the challenger (xgboost) is refused: auc_roc: 0.5 is below the limit 0.8. "
        f"Nothing moves. All gates: {step.uri_of('decision.json')}"
    )
    assert content(step)["outcome"] == "refuse"
    failure = step.failure()
    assert failure is not None
    assert (failure.exit_code, failure.error) == (4, "ModelRefusedError")
    assert step.result_or_none(DecisionResult) is None


def test_deciding_again_replaces_the_decision(pipeline: Pipeline, step: RunFolder) -> None:
    evaluated(step, auc=0.5)
    with pytest.raises(ModelRefusedError):
        execute(decide_run, pipeline, step)
    evaluated(step, auc=0.9)
    execute(decide_run, pipeline, step)
    assert content(step)["outcome"] == "promote"
    assert step.failure() is None


def test_every_gate_is_logged(pipeline: Pipeline, step: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    evaluated(step, gain=0.005)
    with caplog.at_level(logging.INFO, logger="trainer"):
        decide_run(pipeline, step)
    assert caplog.messages[0] == "passed: auc_roc: 0.85 is at least 0.8"
    assert caplog.messages[1].startswith("not_better: against_production: not shown to be better")
    assert caplog.messages[2].startswith("decision: keep: not shown to be better")


def test_nothing_is_decided_before_evaluate(pipeline: Pipeline, step: RunFolder) -> None:
    with pytest.raises(StepNotDoneError, match="step 'evaluate' is not done"):
        decide_run(pipeline, step)
    assert read_decision(step) is None


@pytest.mark.parametrize(
    ("promote_to", "outcome"), [("production", "keep"), ("staging", "promote"), ("none", "promote")]
)
def test_a_rollback_holds_only_against_a_move_to_production(
    promote_to: str, outcome: str, pipeline: Pipeline, step: RunFolder
) -> None:
    evaluated(step, gain=0.05, rollback="a rollback holds")
    assert decide_run(pipeline.for_run({"promote_to": promote_to}), step).outcome == outcome


def test_the_file_says_what_was_judged(pipeline: Pipeline, step: RunFolder) -> None:
    evaluated(step, gain=0.05)
    done = execute(decide_run, pipeline, step)
    judged = {"evaluate": digest_of(step.at("evaluate").read_text("result.json"))}
    assert content(step)["made_from"] == done.made_from == judged


def test_a_decision_keeps_why_a_person_is_asked(step: RunFolder) -> None:
    asking = parse_pipeline(PIPELINE + "approval: borderline\n", "churn.yaml")
    evaluated(step, gain=0.0101)
    step.at("detect_drift").finish(DriftResult(status="drifted", share=1.0))
    result = decide_run(asking, step)
    assert result.asks == content(step)["asks"]
    assert [reason.split()[0] for reason in result.asks] == ["the", "the"]
    assert {*content(step)["made_from"]} == {"evaluate", "detect_drift"}
