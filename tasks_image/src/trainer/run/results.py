"""What each step hands over: small typed records, kept as `result.json`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """What every step says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: float = 0.0
    """Time inside the step's `run()`."""
    finished_at: str = ""
    """ISO 8601, UTC."""
    cores: float | None = None
    """CPU cores that were kept for the step; None in results of earlier releases."""
    gpus: int = 0
    cost_usd: float | None = None
    """What `seconds` of these cores and GPUs cost; None where it is not counted. Earlier tries are not part of it."""
    cost_gpu_usd: float | None = None
    """What the GPUs have in that."""
    made_from: dict[str, str] = {}
    """The records that the step read: the path of each one's step in the run folder, and its SHA-256."""


class AnyResult(Result):
    """What all results share, of whatever step."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Failure(BaseModel):
    """Why a step failed when it ran last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str
    algorithm: str = ""
    worker: int = 0
    error: str
    message: str
    exit_code: int


class StartResult(Result):
    """The run, and what it is about to read."""

    started_at: str
    """ISO 8601, UTC."""
    run_id: str
    """MLflow's parent run."""
    experiment_id: str
    airflow_run_id: str
    git_commit: str
    """Of the pipeline's code repository where it has one, else of the checkout that the trainer ran from."""
    code_repository: str = ""
    image: str
    source: str
    sample: bool


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


class TuneWorkerResult(Result):
    """One worker's share of an algorithm's study."""

    algorithm: str
    worker: int
    study: str
    """Empty where there was nothing to search."""
    trials: int
    """Finished by this worker since it was started last, pruned ones included."""
    pruned: int
    time_is_up: bool
    """Whether `tuning.timeout_minutes` ended it before the study had all its trials."""


class TuneResult(Result):
    """The best hyperparameters found."""

    algorithm: str
    enabled: bool
    study: str
    metric: str
    trials: int
    """Finished trials, pruned ones included."""
    pruned: int
    cv_mean: float
    cv_std: float
    fold_scores: list[float]
    params: dict[str, Any]
    """All parameters to train with."""


class TrainResult(Result):
    """A candidate."""

    algorithm: str
    run_id: str
    model_id: str
    model_uri: str
    params: dict[str, Any]
    metrics: dict[str, float]
    """Validation figures by name."""
    train_metrics: dict[str, float]
    cut_off: float | None
    predictions: str


class RefitResult(Result):
    """The challenger, as it was fitted last."""

    winner: str
    learned_from: list[Literal["train", "validation", "test"]]
    """Parts whose rows it was fitted on."""
    rows: int
    """How many these are."""
    run_id: str
    model_id: str
    model_uri: str
    model_digest: str
    """SHA-256 of the model's files."""
    cut_off: float | None
    """Chosen on validation rows that the model had not learned from."""
    constants: dict[str, float | str | bool | None]
    """Of feature expressions, fitted on the same rows."""
    predictions: str
    """The model's answers to rows that it was fitted on: loaded elsewhere, it has to give them again."""
    keys: str
    """The row keys and parts, by which later runs know what the model has learned from."""

    @property
    def what(self) -> str:
        """What was fitted on which rows, in words."""
        if "test" in self.learned_from:
            return (
                f"{self.winner}, fitted once more on all {self.rows:,} rows after the decision: this very fit was not "
                "judged on unseen rows"
            )
        parts = "training and validation" if "validation" in self.learned_from else "training"
        return f"{self.winner}, fitted on {self.rows:,} {parts} rows"


class Compared(BaseModel):
    """Challenger against production on the same rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metric: str
    challenger: float
    production: float
    gain: float
    """Above 0 where the challenger is better."""
    lower: float
    upper: float
    rows: int
    rows_left_out: int
    """Test rows that production was trained or tuned on."""


class Candidate(BaseModel):
    """One algorithm's line in the comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    algorithm: str
    validation: float
    """Figure of the tuning metric on the validation rows."""
    cv_mean: float
    cv_std: float
    seconds: float


class Segment(BaseModel):
    """How the challenger does on one segment of the test rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str
    segment: str
    rows: int
    """Test rows; 0 where a segment that has to be there is missing."""
    metrics: dict[str, float]
    """Those that are defined on these rows; without one of the classes, areas are not."""
    production_metrics: dict[str, float] = {}
    comparison: Compared | None = None
    """Against production on the segment's rows that neither has seen, where the slice's gate asks for it."""
    not_compared: str = ""
    """Why there is no comparison although the gate asks for one and there is a production."""


class ReliabilityBin(BaseModel):
    """Test rows with a probability in one range: what was predicted, and what came true."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lower: float
    upper: float
    rows: int
    predicted: float
    """Mean probability."""
    observed: float
    """Share of positive rows."""


class Behaved(BaseModel):
    """What the challenger's answers did when real rows were changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    expect: Literal["unchanged", "does_not_rise", "does_not_fall"]
    rows: int
    """Validation rows that were changed; 0 is no evidence, and fails."""
    mean_change: float
    largest_change: float
    """Of a single row, as an absolute value."""
    tolerance: float


class EvaluateResult(Result):
    """The winner, and how it does on rows that nothing was fitted or chosen on."""

    winner: str
    candidates: list[Candidate]
    model_uri: str
    model_id: str
    run_id: str
    test_rows: int
    metrics: dict[str, float]
    slices: list[Segment] = []
    reliability: list[ReliabilityBin] = []
    """Deciles of the probability (binary classification)."""
    behaviour: list[Behaved] = []
    model_digest: str = ""
    """SHA-256 of the files of the model that was judged."""
    predictions: str = ""
    """The test rows' keys, truth and answers, production's beside the challenger's where there is a production."""
    production_version: str = ""
    production_metrics: dict[str, float] = {}
    comparison: Compared | None = None
    aliases: dict[str, str] = {}
    """The registered model's aliases at the time, and the version that each one names."""
    rollback: str = ""
    """The rollback that held at the time, as a sentence; empty: none did."""


class Importance(BaseModel):
    """How much one input column counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str
    value: float
    """Mean absolute SHAP value, or how much worse the metric gets when the column is shuffled."""
    share: float
    """Of the values of all columns; those below 0 count as 0."""


class Plot(BaseModel):
    """A picture of the challenger: `{name}.png`, and `{name}.svg` for pages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    alt: str
    """What the picture shows, in words and figures."""
    file: str


class ExplainResult(Result):
    """What the challenger's answers rest on, and what they look like."""

    method: Literal["shap", "permutation"]
    why: str = ""
    """Why it is permutation and not SHAP."""
    unit: str
    """What the values of `importance` are in."""
    rows: int
    """Validation rows that were explained."""
    importance: list[Importance]
    """The first columns; `importance.json` has all."""
    plots: list[Plot]


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
