"""The records that steps hand over: small and typed, kept as `result.json`."""

from trainer.run.records.base import AnyResult, Failure, Result, StartResult
from trainer.run.records.data import CheckResult, ColumnDrift, DriftResult, FeaturesResult, IngestResult, ValidateResult
from trainer.run.records.evaluation import (
    Behaved,
    Candidate,
    Compared,
    EvaluateResult,
    ExplainResult,
    Importance,
    Plot,
    ReliabilityBin,
    Segment,
)
from trainer.run.records.release import (
    AcceptResult,
    ApprovalResult,
    DecisionResult,
    PromoteResult,
    PublishFeaturesResult,
    RegisterResult,
    ReportResult,
)
from trainer.run.records.training import RefitResult, TrainResult, TuneResult, TuneWorkerResult

__all__ = [
    "AcceptResult",
    "AnyResult",
    "ApprovalResult",
    "Behaved",
    "Candidate",
    "CheckResult",
    "ColumnDrift",
    "Compared",
    "DecisionResult",
    "DriftResult",
    "EvaluateResult",
    "ExplainResult",
    "Failure",
    "FeaturesResult",
    "Importance",
    "IngestResult",
    "Plot",
    "PromoteResult",
    "PublishFeaturesResult",
    "RefitResult",
    "RegisterResult",
    "ReliabilityBin",
    "ReportResult",
    "Result",
    "Segment",
    "StartResult",
    "TrainResult",
    "TuneResult",
    "TuneWorkerResult",
    "ValidateResult",
]
