"""The step `decide`: light enough to run in the scheduler's own process."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trainer.decision.approval import reasons_to_ask
from trainer.decision.comparison import rule_text
from trainer.decision.gates import Decision, decide
from trainer.errors import ModelRefusedError
from trainer.run.made_from import noting_records
from trainer.run.records import DecisionResult, DriftResult, EvaluateResult

if TYPE_CHECKING:
    from trainer.pipeline import Pipeline
    from trainer.run import RunFolder

logger = logging.getLogger(__name__)

DECISION_FILE = "decision.json"
STEP = "decide"


def decide_run(pipeline: Pipeline, run: RunFolder) -> DecisionResult:
    """Decide about the run's challenger, and keep why in `decision.json`. Raises ModelRefusedError for a refusal."""
    with noting_records() as judged:
        evaluation = run.at("evaluate").result(EvaluateResult)
        drift = run.at("detect_drift").result(DriftResult) if pipeline.approval.when == "borderline" else None
    rollback = evaluation.rollback if pipeline.run.promote_to == "production" else ""
    waits = pipeline.refit == "everything"
    decision = decide(pipeline.gates, evaluation, pipeline.behaviour, rollback=rollback, waits_for_rows=waits)
    decision = decision.model_copy(update={"asks": reasons_to_ask(pipeline, decision, drift)})
    run.write_json(DECISION_FILE, {**decision.model_dump(mode="json"), "made_from": judged})
    for gate in decision.gates:
        logger.info("%s: %s: %s", gate.verdict, gate.name, gate.reason)
    if rule := rule_text(decision.gates):
        logger.info("rule: %s", rule)
    if decision.outcome == "refuse":
        raise ModelRefusedError(
            f"{pipeline.registry.model}: the challenger ({evaluation.winner}) is refused: {decision.reason}. "
            f"Nothing moves. All gates: {run.uri_of(DECISION_FILE)}"
        )
    logger.info("decision: %s: %s", decision.outcome, decision.reason)
    for why in decision.asks:
        logger.info("a person has to approve it: %s", why)
    return DecisionResult(
        outcome=decision.outcome,
        reason=decision.reason,
        compared_with=decision.compared_with,
        winner=evaluation.winner,
        asks=decision.asks,
        promoted_as=decision.promoted_as,
        anchor=decision.anchor,
    )


def read_decision(run: RunFolder) -> Decision | None:
    """The run's decision, a refusal included, or None if none was taken."""
    try:
        return Decision.model_validate_json(run.at(STEP).read_text(DECISION_FILE))
    except FileNotFoundError:
        return None
