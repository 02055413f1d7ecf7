"""Records of the steps that deploy a version."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from trainer.run.records.base import Result


class StartDeploymentResult(Result):
    """The version that is deployed, and what was in service before."""

    started_at: str
    """ISO 8601, UTC."""
    airflow_run_id: str
    image: str
    target: str
    """The kind of the target and its address, without logins."""
    model: str
    version: str
    alias: str
    """The alias that named it when the run started; empty if a person named the number."""
    model_digest: str
    """SHA-256 of the model's files."""
    training_run: str
    """URI of the run folder that the version came from."""
    before: str
    """The version that had the traffic when the run started; empty if none had."""


class StageResult(Result):
    """What the version answered before it got traffic."""

    rows: int
    rows_from: str
    """Where the rows come from."""
    largest_difference: float
    """Between its answers and those of the registered model, scored apart; of numbers above 1, a share of them."""
    median_ms: float
    """Of requests with one row."""
    p99_ms: float


class CanaryResult(Result):
    """The part of the traffic that the version got."""

    percent: float
    """100 if no other version is in service."""
    main: str
    """The version that has the rest; empty if there is none."""


class WatchedFigure(BaseModel):
    """One figure that was watched."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Literal["error_rate", "latency_ratio", "answers"]
    value: float | None
    """None: there was too little to compute it from."""
    low: float | None
    high: float | None
    """The ends of its interval, each wrong once in 10,000; None: there is none yet."""
    limit: float
    kept: bool
    says: str
    """A sentence: the figure, its interval and its limit."""


class WatchResult(Result):
    """What was seen of the version, and what follows from it."""

    verdict: Literal["release", "take back"]
    reasons: list[str]
    """Why it is taken back; empty if it is released."""
    minutes: float
    """How long it had its part of the traffic."""
    requests: int
    """That the version answered or failed to answer."""
    requests_of_main: int
    figures: list[WatchedFigure]


class ReleaseResult(Result):
    """The version has all traffic."""

    version: str
    before: str
    """The version that had it; its process stays, for a way back."""
    target: str
