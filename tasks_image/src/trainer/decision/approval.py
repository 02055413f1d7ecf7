"""Who has to approve a decision to promote, and what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from trainer.errors import ConfigurationError, ModelRefusedError
from trainer.run.records import ApprovalResult, DecisionResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.decision.gates import Decision
    from trainer.decision.result import GateResult
    from trainer.pipeline import Approval, Pipeline
    from trainer.run import RunFolder
    from trainer.run.records import DriftResult

NEAR = 0.1
"""A gain is borderline if the lower end of its interval is above `min_gain` by at most this share of its width; with
the rule `not_worse`, if its lower bound is above minus the margin by at most as much."""
STEP = "approve"


@dataclass(frozen=True)
class Answer:
    """An answer, and who gave it; `source` says how it came about."""

    outcome: Literal["promote", "keep", "begin", "decline"]
    source: Literal["person", "timeout", "parameter", "nobody"]
    by: str = ""
    words: str = ""
    at: str = ""
    """ISO 8601, UTC; empty if there was no answer."""


def reasons_to_ask(pipeline: Pipeline, decision: Decision, drift: DriftResult | None) -> list[str]:
    """Return why a person has to approve a decision; an empty list if nobody has to.

    Only a decision to move production is ever asked about.
    """
    when = pipeline.approval.when
    if when == "never" or decision.outcome != "promote" or pipeline.run.promote_to != "production":
        return []
    return ["the pipeline says `approval: always`"] if when == "always" else list(_borderline(decision, drift))


def _borderline(decision: Decision, drift: DriftResult | None) -> Iterator[str]:
    if drift is not None and drift.status == "drifted":
        yield f"the data has drifted: {drift.share:.0%} of the columns"
    for gate in decision.gates:
        if gate.interval is None:
            continue
        if gate.kind == "slice" and gate.interval[0] <= -gate.limit <= gate.interval[1]:
            yield f"{gate.name}: the interval {_text(gate)} of the gain contains the limit {-gate.limit:+.4f}"
        if gate.kind == "comparison" and _is_near(gate) and gate.rule == "not_worse":
            yield (
                f"{gate.name}: the gain's lower bound {gate.bound or 0:+.4f} is within a tenth of the width of its "
                f"interval {_text(gate)} of the margin ({gate.limit:+g})"
            )
        elif gate.kind == "comparison" and _is_near(gate):
            yield f"the gain's interval {_text(gate)} begins within a tenth of its width of min_gain ({gate.limit:g})"


def _is_near(gate: GateResult) -> bool:
    lower, upper = gate.interval or (0.0, 0.0)
    lowest = lower if gate.bound is None else gate.bound
    return lowest - gate.limit <= NEAR * (upper - lower)


def _text(gate: GateResult) -> str:
    lower, upper = gate.interval or (0.0, 0.0)
    return f"{lower:+.4f} to {upper:+.4f}"


def unasked_answer(pipeline: Pipeline) -> Answer:
    """Return the answer that a run gets without asking anybody: that of its parameter, else production stays."""
    answer = pipeline.run.answer
    return Answer(answer, "parameter") if answer else Answer("keep", "nobody")


def approve_run(pipeline: Pipeline, run: RunFolder, answer: Answer) -> ApprovalResult:
    """Keep the answer to the run's decision to promote, which counts only if somebody had to be asked.

    Raises ModelRefusedError if nobody has answered and that is to refuse the model.
    """
    decision = run.at("decide").result(DecisionResult)
    if not decision.asks:
        return ApprovalResult(outcome="promote", source="not_asked", reason="nobody had to be asked")
    if answer.source == "timeout" and pipeline.approval.on_timeout == "refuse":
        raise ModelRefusedError(
            f"{pipeline.registry.model}: nobody has approved the challenger ({decision.winner}) within "
            f"{_hours(pipeline.approval)} (approval.on_timeout: refuse). Nothing moves"
        )
    return ApprovalResult(
        outcome="promote" if answer.outcome == "promote" else "keep",
        asked_because=decision.asks,
        source=answer.source,
        by=answer.by,
        words=answer.words,
        answered_at=answer.at,
        reason=_reason(answer, pipeline.approval),
    )


def _reason(answer: Answer, approval: Approval) -> str:
    """Return what was answered, as a sentence."""
    words = f": {answer.words}" if answer.words else ""
    promotes = answer.outcome == "promote"
    return {
        "person": f"{answer.by} {'approved the promotion' if promotes else 'kept production'}{words}",
        "timeout": f"nobody has answered within {_hours(approval)}, so production stays",
        "parameter": f"the run parameter `answer` {'approved the promotion' if promotes else 'kept production'}",
        "nobody": (
            "a person has to approve this promotion, and without a scheduler nobody can be asked, so production stays; "
            'to promote, give the run parameter `answer`: {"answer": "promote"}'
        ),
    }[answer.source]


def final_outcome(pipeline: Pipeline, run: RunFolder) -> str:
    """Return the outcome that the steps after the decision go by: the decision's, or a person's answer to it.

    Raises StepNotDoneError if an answer is missing.
    """
    outcome = run.at("decide").result(DecisionResult).outcome
    if outcome != "promote" or pipeline.approval.when == "never":
        return outcome
    return run.at(STEP).result(ApprovalResult).outcome


def require_promotion(pipeline: Pipeline, run: RunFolder) -> None:
    """Raise ConfigurationError unless the challenger is to be promoted, and approved if somebody had to be asked."""
    outcome = final_outcome(pipeline, run)
    if outcome != "promote":
        raise ConfigurationError(f"step {run.step}: the decision is to {outcome}: there is nothing to {run.step}")


def _hours(approval: Approval) -> str:
    return f"{approval.timeout_hours:g} h" if approval.timeout_hours else "any time"
