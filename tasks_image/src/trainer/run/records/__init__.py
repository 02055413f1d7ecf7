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
from trainer.run.records.scoring import (
    CheckRowsResult,
    PublishScoresResult,
    ReadRowsResult,
    ScoreResult,
    StartScoringResult,
)
from trainer.run.records.training import RefitResult, TrainResult, TuneResult, TuneWorkerResult

__all__ = [
    "AcceptResult",
    "AnyResult",
    "ApprovalResult",
    "Behaved",
    "Candidate",
    "CheckResult",
    "CheckRowsResult",
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
    "PublishScoresResult",
    "ReadRowsResult",
    "RefitResult",
    "RegisterResult",
    "ReliabilityBin",
    "ReportResult",
    "Result",
    "ScoreResult",
    "Segment",
    "StartResult",
    "StartScoringResult",
    "TrainResult",
    "TuneResult",
    "TuneWorkerResult",
    "ValidateResult",
]
