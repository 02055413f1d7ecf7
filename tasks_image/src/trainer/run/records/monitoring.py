"""Records of the steps that look at scored rows and their labels."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from trainer.run.records.base import Result
from trainer.run.records.data import ColumnDrift


class StartMonitoringResult(Result):
    """What the look is about to read, and the looks before it."""

    started_at: str
    """ISO 8601, UTC."""
    airflow_run_id: str
    image: str
    output: str
    """The address of the folder or the table with scored rows."""
    labels: str
    """The labels' source; empty if the pipeline names none."""
    since: str
    """ISO 8601, UTC; rows that were scored earlier are not looked at."""
    earlier: list[str]
    """URIs of the run folders of the finished looks, oldest first."""


class ScoredRun(BaseModel):
    """The rows that one scoring run has published."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    model: str
    version: str
    scored_at: str
    """ISO 8601, UTC."""
    rows: int
    is_new: bool
    """True if no earlier look has taken it."""


class ReadScoresResult(Result):
    """The scored rows of the time in which labels are waited for."""

    runs: list[ScoredRun]
    """Oldest first; each one's answers are in `KEY.parquet`."""
    too_old: int
    """Runs that were scored before that time."""
    set_aside: dict[str, str]
    """Runs whose rows are not looked at, and the reason."""

    @property
    def new_rows(self) -> int:
        """Rows that no earlier look has taken."""
        return sum(one.rows for one in self.runs if one.is_new)


class ReadLabelsResult(Result):
    """The labels, one for each id."""

    labels_file: str
    source: str
    digest: str
    """SHA-256 of the file."""
    rows: int
    """Rows of the source."""
    ids: int
    """Ids with one label."""
    missing: int
    """Rows with an id and no label yet."""
    without_id: int
    repeated: int
    """Further rows of an id that say the same; counted once."""
    contradicting: int
    """Ids whose rows do not say the same; set aside."""
    contradicting_examples: list[str]
    never_scored: int
    """Ids that no row of the window has."""
    never_scored_examples: list[str]
    type: str
    """Of the labels, as they were read."""


class Interval(BaseModel):
    """A figure and its percentile bootstrap interval, two-sided."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    lower: float
    upper: float


class ColumnWatch(BaseModel):
    """Missing values and unseen categories of an input."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str
    missing: float
    """Share of the look's rows."""
    missing_before: float
    """Share of the rows of the version's snapshot."""
    unseen: int
    """Rows with a category that the snapshot does not have; 0 for numbers."""
    examples: list[str]


class LabelledPerformance(BaseModel):
    """Metrics on rows that got their labels since the look before, beside those of the version's test rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metric: str
    """The one that the pipeline compares models by; `metrics` has others as well."""
    rows: int
    metrics: dict[str, Interval]
    reference_rows: int
    """Test rows."""
    reference: dict[str, Interval]
    """The version's metrics at its promotion."""
    drop: Interval
    """Of `metric`, above 0 if it is worse now than at the promotion; the interval includes the error of both."""
    confidence: float
    drop_bound: float | None = None
    """The drop is greater than this at 99 %, one-sided; None in looks of earlier releases."""


class EstimatedPerformance(BaseModel):
    """ROC-AUC that is expected before labels arrive, if the target depends on the inputs as it did (CBPE)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    auc_roc: Interval
    rows: int
    """Rows with an answer."""
    calibration_rows: int
    """Test rows of the version, by which its probabilities were calibrated."""


class VersionLook(BaseModel):
    """What a look has found about one version of the model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    version: str
    runs: list[str]
    """Keys of the scoring runs whose rows are new in this look; no other look has them."""
    rows: int
    """Rows of these runs."""
    ids: int = 0
    """Ids of these rows: of an id that was scored more than once, the newest row is looked at."""
    learned_from: int = 0
    """Ids that the version has learned from; its answers to them are not judged."""
    not_looked_at: str = ""
    """The reason if nothing of this version could be looked at."""
    drift_status: Literal["stable", "drifted", "no_rows"] = "no_rows"
    drift_share: float | None = None
    """Share of the inputs that drifted; None without new rows."""
    columns: list[ColumnDrift] = []
    answers: ColumnDrift | None = None
    """The answers beside those to the version's test rows."""
    no_answers: str = ""
    """The reason for which answers are not compared."""
    watch: list[ColumnWatch] = []
    estimate: EstimatedPerformance | None = None
    no_estimate: str = ""
    labelled: int = 0
    """Ids that got their label since the look before and that the version has not learned from."""
    labelled_learned_from: int = 0
    waiting: int = 0
    """Ids of the window without a label."""
    performance: LabelledPerformance | None = None
    no_performance: str = ""


class Production(BaseModel):
    """The version that was production at a look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: str
    since: str
    """ISO 8601, UTC; empty if the alias was moved in MLflow itself."""


class LookEvidence(BaseModel):
    """The figures of a look at production, by which a retraining is decided."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    look: str
    """The key of its run folder."""
    started_at: str
    """ISO 8601, UTC."""
    performance_drop: float | None
    """None if no performance was measured."""
    drop_bound: float | None
    """The drop is greater than this at 99 %."""
    drift_share: float | None
    """None if there were no new rows."""


class RetrainingDecision(BaseModel):
    """The decision about a retraining, and its figures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retrain: bool
    condition: str
    """The condition that holds; empty if none does."""
    reason: str
    production: Production | None
    evidence: list[LookEvidence]
    """The newest looks at production while it was production, oldest first."""
    counted: list[str]
    """Keys of the looks that count for the condition."""


class RetrainResult(Result):
    """The end of a look: the training run that it has started, or the reason for which it has not."""

    outcome: Literal["started", "held_back", "would_start", "not_needed"]
    """`held_back`: the evidence asks for a run that cannot start now; the next look tries again. `would_start`: the
    look was made without a scheduler, which alone can start one."""
    reason: str
    decision: RetrainingDecision
    sends_event: bool = True
    """Of `started`: False if an earlier try of the task has sent the event."""


class MonitorResult(Result):
    """A finished look."""

    looks: list[VersionLook]
    """By version; the one that scored last comes last."""
    taken: list[str]
    """Keys of all scoring runs of the window that this look or an earlier one has taken."""
    judged: str
    """URI of the table of ids that this look or an earlier one has judged by their labels, with the look's key."""
    page: str
    mlflow_run: str
    production: Production | None = None
    """None if the pipeline does not retrain, or no version was production."""
    retraining: RetrainingDecision | None = None
    """As it stood when the look was finished; the step `retrain` acts. None if the pipeline does not retrain."""

    @property
    def newest(self) -> VersionLook:
        """The look at the version that has scored last."""
        return self.looks[-1]
