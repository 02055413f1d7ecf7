"""The seam between a modality and everything else: how one kind of rows is checked, compared, learned and explained.

Every modality's snapshot is one Parquet table, so row keys, splits, digests, lineage and scoring are shared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import polars as pl

    from trainer.drift.new_rows import NewRows
    from trainer.evaluation.behaviour import Changed
    from trainer.inference.features import FittedFeatures
    from trainer.pipeline import Behaviour, Drift, Pipeline
    from trainer.plots.drawing import Drawing
    from trainer.run import RunFolder
    from trainer.run.records import CheckResult, ColumnDrift, EvaluateResult, Importance
    from trainer.training.job import Job
    from trainer.tuning.objective import Objective

P = TypeVar("P", bound="Pipeline")


@dataclass(frozen=True)
class Compared:
    """How far the columns of new rows have moved."""

    columns: list[ColumnDrift]
    target: ColumnDrift


@dataclass(frozen=True, eq=False)
class Prepared:
    """The rows (n) as models are made from them, in the snapshot's order."""

    table: pl.LazyFrame
    """What models are made from, and what segments and behaviours may be cut by; without the target."""
    inputs: list[str]
    """Raw columns that are inputs of the model."""
    for_features: list[str] = field(default_factory=list)
    """Raw columns that the model takes only to compute others from them."""
    derived: list[str] = field(default_factory=list)
    constants: dict[str, float | str | bool | None] = field(default_factory=dict)
    """Fitted on the training rows."""
    became_missing: dict[str, int] = field(default_factory=dict)
    """Values of derived columns that are missing because of a division by zero."""


@dataclass(frozen=True, eq=False)
class Explained:
    """What a model's answers rest on."""

    method: Literal["shap", "permutation", "saliency", "loss"]
    why: str
    """Why not by SHAP values; empty where they were used."""
    unit: str
    rows: int
    importance: list[Importance]
    drawings: list[Drawing]
    files: dict[str, str] = field(default_factory=dict)
    """Further files for a person, by their names."""


class Modality(ABC, Generic[P]):
    """How one kind of rows is handled. There is one class for each; steps ask nothing about the kind of rows."""

    @abstractmethod
    def check(self, pipeline: P, algorithms: Sequence[str]) -> None:
        """Raise ConfigurationError for what only the libraries know to be wrong; of these algorithms."""

    def require(self) -> None:
        """Raise ConfigurationError where a library that its steps need is not installed, with how to install it."""

    @abstractmethod
    def unusable(self, pipeline: P, rows: pl.LazyFrame) -> list[str]:
        """What makes the inputs (n rows) useless to any model, as lines for a person."""

    @abstractmethod
    def validate(self, pipeline: P, rows: pl.LazyFrame) -> list[CheckResult]:
        """What is found of the inputs (n rows) beside the pipeline's own checks."""

    @abstractmethod
    def compare(self, pipeline: P, reference: pl.LazyFrame, new: NewRows, page: Path) -> Compared:
        """How far the new rows have moved from the reference; writes a page that shows it.

        Raises DataValidationError where a column has gone, is of another type, or is new and was not named.
        """

    def compare_inputs(
        self,
        pipeline: P,
        reference: pl.LazyFrame,  # noqa: ARG002
        rows: pl.LazyFrame,  # noqa: ARG002
        limits: Drift,  # noqa: ARG002
    ) -> list[ColumnDrift]:
        """Compare the inputs of rows to score with the snapshot that a version of the pipeline was trained on.

        Raises DataValidationError if a column is of another type, ConfigurationError if such rows are not scored in
        batches.
        """
        raise ConfigurationError(f"scoring: rows of {pipeline.modality} are not scored in batches")

    @abstractmethod
    def prepare(self, pipeline: P, snapshot: pl.LazyFrame, parts: pl.Series) -> Prepared:
        """The snapshot's rows (n) as models are made from them; what is fitted is fitted on those of the part "train".

        Raises ConfigurationError where the pipeline asks for what the rows do not have.
        """

    @abstractmethod
    def objective(self, pipeline: P, run: RunFolder) -> AbstractContextManager[Objective]:
        """What the folder's algorithm is tuned by; its rows can be read in the block."""

    @abstractmethod
    def job(self, pipeline: P, run: RunFolder, algorithm: str, params: dict[str, Any]) -> Job:
        """The job that trains an algorithm on the run's training rows; it registers nothing."""

    @abstractmethod
    def check_behaviours(self, pipeline: P, schema: pl.Schema | None = None) -> None:
        """Raise ConfigurationError for an expectation that is wrong, or that does not fit the table's schema."""

    @abstractmethod
    def change(self, behaviour: Behaviour, rows: pl.DataFrame, seed: int) -> Changed:
        """The rows (n, raw columns) that differ once changed as an expectation says."""

    @abstractmethod
    def explain(self, pipeline: P, run: RunFolder, evaluation: EvaluateResult) -> Explained:
        """What the challenger's answers rest on. Raises ModelRefusedError where that cannot be said."""

    def features(self, pipeline: P, run: RunFolder) -> tuple[pl.Series, pl.DataFrame, FittedFeatures]:  # noqa: ARG002
        """The ids (n,), the features (n, columns) and what computed them, for services that ask for them by id.

        Raises ConfigurationError where such rows have none.
        """
        raise ConfigurationError(f"feature store: the rows of a pipeline of {pipeline.modality} have no features")
