"""Records of the steps that register, try and promote a version, and close the run."""

from __future__ import annotations

from trainer.run.records.base import Result


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
