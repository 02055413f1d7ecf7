"""Records of the steps that score rows in batches."""

from __future__ import annotations

from typing import Literal

from trainer.run.records.base import Result
from trainer.run.records.data import CheckResult, ColumnDrift


class StartScoringResult(Result):
    """The version that the run scores with, and what is on record of it."""

    started_at: str
    """ISO 8601, UTC; the time of each scored row."""
    airflow_run_id: str
    image: str
    source: str
    sample: bool
    """True if the rows are those of a built-in sample."""
    output: str
    """The address of the folder or the table."""
    model: str
    version: str
    """Its number; an alias that moves during the run changes nothing."""
    alias: str
    """The alias that named it when the run started; empty if the pipeline names the version."""
    model_digest: str
    """SHA-256 of the model's files."""
    snapshot: str
    """URI of the Parquet file that the version was trained on."""
    snapshot_digest: str
    keys: str
    """URI of the table of row keys and parts of that snapshot."""
    keys_digest: str
    training_run: str
    """URI of the run folder that the version came from."""
    target: str
    """The column that the version predicts."""
    trained_columns: dict[str, str]
    """The columns of the snapshot and their types."""
    inputs: list[str]
    """The raw columns that the model takes."""


class ReadRowsResult(Result):
    """The rows to score."""

    rows_file: str
    source: str
    digest: str
    """SHA-256 of the file."""
    rows: int
    columns: dict[str, str]
    """Column name to type."""
    ignored: list[str]
    """Columns of the source that the version was not trained with, and the target."""
    age_days: float
    """Days since the source was last changed."""
    notes: list[str] = []
    """Assumptions made while the rows were read."""


class CheckRowsResult(Result):
    """The verdict on the rows to score."""

    checks: int
    """Checks of the version's pipeline that apply to its inputs."""
    not_applied: int
    """Its other checks: of the target, the whole table or the source."""
    failed: list[CheckResult]
    """Failed checks of severity `warning`."""
    status: Literal["stable", "drifted"]
    share: float
    """Share of the columns that drifted."""
    columns: list[ColumnDrift]


class ScoreResult(Result):
    """The scored rows, as they are to be published."""

    scored_file: str
    digest: str
    """SHA-256 of the file."""
    rows: int
    columns: dict[str, str]
    model_seconds: float
    """Time that the model's process took."""
    memory_mb: float
    """Peak resident memory of that process."""


class PublishScoresResult(Result):
    """Where the scored rows are."""

    output: str
    """The address of the file, or of the table."""
    rows: int
    replaced: int | None
    """Rows of an earlier try of this run that were replaced; null if the output does not say."""
