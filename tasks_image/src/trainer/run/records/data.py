"""Records of the steps that read, check, compare and split rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from trainer.run.records.base import Result


class IngestResult(Result):
    """The snapshot of the data."""

    snapshot: str
    source: str
    digest: str
    """SHA-256 of the snapshot file."""
    rows: int
    rows_in_source: int
    columns: dict[str, str]
    """Column name to type."""
    sample: bool
    age_days: float
    """Days since the source was last changed."""
    newest_row_age_days: float | None = None
    tags: dict[str, str] = {}
    """What else says where the rows came from, such as `dvc.hash`; tags of the run and of the model version."""
    notes: list[str] = []
    """Assumptions made while the rows were read, such as the order of day and month."""


class CheckResult(BaseModel):
    """One expectation and what it found."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    check: str
    column: str
    dimension: str
    severity: str
    passed: bool
    unexpected: int
    """Rows that break the expectation; 0 for expectations about the whole table or column."""
    share: float
    """Share of the rows looked at that break it."""
    examples: list[Any] = []
    observed: Any = None
    message: str = ""


class ValidateResult(Result):
    """The verdict on the data."""

    passed: bool
    checks: int
    failed: list[CheckResult]
    """Failed checks; those of severity `warning` leave `passed` true."""
    report: str


class ColumnDrift(BaseModel):
    """How far one column's distribution has moved."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str
    kind: Literal["numeric", "categorical"]
    statistics: dict[str, float]
    """Effect sizes by name."""
    thresholds: dict[str, float]
    """What each has to exceed: the greater of its limit and of what chance alone explains."""
    drifted: bool


_COMPARED = {
    "newer": "{rows:,} rows newer than all that production knows",
    "unknown": "{rows:,} rows that production does not know",
    "all": "all {rows:,} rows, for none is new",
}


class DriftResult(Result):
    """How far the data has moved since production's model was trained."""

    status: Literal["no_reference", "stable", "drifted"]
    reference: str = ""
    reference_version: str = ""
    share: float = 0.0
    """Share of the columns that drifted."""
    columns: list[ColumnDrift] = []
    target: ColumnDrift | None = None
    compared: Literal["newer", "unknown", "all"] = "all"
    """Rows that were compared: those newer than all that production knows, unknown to it, or all, since none is new."""
    rows: int = 0
    """How many these are."""
    learned_until: datetime | None = None
    """The newest time among the rows that production has learned from; only where the pipeline says
    `refit: everything`."""
    report: str = ""

    @property
    def what(self) -> str:
        """What was compared, in words."""
        return _COMPARED[self.compared].format(rows=self.rows)


class FeaturesResult(Result):
    """The rows, split and with their features."""

    table: str
    keys: str
    keys_digest: str = ""
    """SHA-256 of that table; empty in results of earlier releases."""
    rows: dict[str, int]
    """Rows by part."""
    fingerprints: dict[str, str]
    """Digest of the row keys by part."""
    proportions: dict[str, dict[str, float]]
    """Class shares by part; empty for regression."""
    constants: dict[str, float | str | bool | None]
    """Fitted on the training rows."""
    inputs: list[str]
    """Raw columns that are inputs of the model."""
    for_features: list[str] = []
    """Raw columns that only expressions read: the model takes them, the estimator does not."""
    derived: list[str]
    became_missing: dict[str, int]
    """Values of derived columns that are missing because of a division by zero."""
    duplicates_moved: int = 0
    test_rows_after: datetime | None = None
    """The test rows are all that are newer; None where they are what the pipeline's `split` sets aside."""
