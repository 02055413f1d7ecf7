"""Gates: figures and limits in, verdict out. Light, so that a scheduler can decide."""

from trainer.decision.approval import Answer, approve_run, final_outcome, require_promotion, unasked_answer
from trainer.decision.comparison import rule_text
from trainer.decision.gates import Decision, decide
from trainer.decision.result import GateResult
from trainer.decision.retraining import ask_for_training, decide_look, decide_retraining, retrain_by_hand
from trainer.decision.step import decide_run, read_decision
from trainer.run.records import DecisionResult

__all__ = [
    "Answer", "Decision", "DecisionResult", "GateResult", "approve_run", "ask_for_training", "decide", "decide_look",
    "decide_retraining", "decide_run", "final_outcome", "read_decision", "require_promotion", "retrain_by_hand",
    "rule_text", "unasked_answer",
]  # fmt: skip
