"""Gates: figures and limits in, verdict out. Light, so that a scheduler can decide."""

from trainer.decision.gates import Decision, decide
from trainer.decision.result import GateResult
from trainer.decision.step import DecisionResult, decide_run, read_decision

__all__ = ["Decision", "DecisionResult", "GateResult", "decide", "decide_run", "read_decision"]
