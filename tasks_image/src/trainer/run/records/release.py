"""Records of the steps that register, try and promote a version, and close the run."""

from __future__ import annotations

from typing import Literal

from trainer.run.records.base import Result


class DecisionResult(Result):
    """What the later steps need of the decision."""

    outcome: str
    reason: str
    compared_with: str
    winner: str
    asks: list[str] = []
    """The reasons for which a person has to approve it; empty if nobody has to."""
    promoted_as: Literal["", "first", "better", "not_worse"] = ""
    """The ground of a decision to promote; empty for others, and in earlier releases."""
    anchor: str = ""
    """The version that margins count from, with the rule `not_worse`."""


class ApprovalResult(Result):
    """What was answered to a decision to promote, or to a run that wants to begin."""

    outcome: Literal["promote", "keep", "begin"]
    source: Literal["person", "timeout", "parameter", "nobody", "not_asked"]
    """A person, the end of the time to answer, the run parameter `answer`, nobody, since without a scheduler no one can
    be asked, or `not_asked`, since no one had to be."""
    reason: str
    """The answer as a sentence."""
    asked_because: list[str] = []
    by: str = ""
    """The user who answered."""
    words: str = ""
    """What the user wrote."""
    answered_at: str = ""
    """ISO 8601, UTC; empty if there was no answer."""


class RequestResult(Result):
    """A request to move production that a person has approved."""

    move: Literal["promotion", "rollback"]
    model: str
    version: str
    """The version that becomes production; of a rollback, the one that production leaves."""
    reason: str
    """Who asked for what reason, and who approved it with which words, as a sentence."""
    by: str
    """The user who approved it."""
    answered_at: str
    """ISO 8601, UTC."""


class MoveProductionResult(Result):
    """Where the aliases stand after an approved request."""

    model: str
    version: str
    said: str
    """The move as a sentence."""
    aliases: dict[str, str]
    """Alias to version."""


class RegisterResult(Result):
    """The registered version."""

    model: str
    version: str
    created: bool


class AcceptResult(Result):
    """The registered version, loaded back and tried."""

    model: str
    version: str
    rows: int
    largest_difference: float
    """Between predictions of the loaded model and those of training."""
    size_mb: float
    latency_ms: float
    """Median time for one row."""
    latency_p99_ms: float = 0.0
    batch_rows: int = 0
    batch_latency_ms: float = 0.0
    """Median time for a batch of so many rows."""
    batch_latency_p99_ms: float = 0.0
    memory_mb: float


class PromoteResult(Result):
    """Where the aliases stand now."""

    model: str
    version: str
    aliases: dict[str, str]
    """Alias to version."""


class PublishFeaturesResult(Result):
    """What a feature store holds now."""

    store: str
    """The address of the Redis."""
    version: str
    """Digest of what the features mean."""
    rows: int
    columns: list[str]
    expires_at: str
    """ISO 8601, UTC."""


class ReportResult(Result):
    """The run's record is closed."""

    outcome: str
    summary: str
    page: str = ""
    """`report.html`: the run on one page."""
