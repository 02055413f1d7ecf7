"""Records of the steps that search and fit."""

from __future__ import annotations

from typing import Any, Literal

from trainer.run.records.base import Result


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
    cv_mean: float | None
    """None where parameters that are not searched are not scored."""
    cv_std: float | None
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
    keys_digest: str
    """SHA-256 of that table."""

    @property
    def what(self) -> str:
        """The algorithm and the rows that it was fitted on, in words."""
        if "test" in self.learned_from:
            return (
                f"{self.winner}, fitted once more on all {self.rows:,} rows after the decision: this very fit was not "
                "judged on unseen rows"
            )
        parts = "training and validation" if "validation" in self.learned_from else "training"
        return f"{self.winner}, fitted on {self.rows:,} {parts} rows"
