"""TrainingJob: a training job by itself, whose rows are read from sources."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Literal

from trainer.errors import ConfigurationError, DataValidationError
from trainer.pipeline import AnySource, RandomSplit, validate
from trainer.problems import problem_of
from trainer.sources.readers import local_copy
from trainer.tables.job_splits import AnyJobSplit, parts_of
from trainer.tables.training_table import TrainingTable, targets_in
from trainer.training.job import SplitRows, TrainingResult
from trainer.training.tabular_job import TabularJob

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

logger = logging.getLogger(__name__)


class TrainingJob(TabularJob):
    """Reads and splits rows, and does a job on them.

    >>> job = TrainingJob(
    ...     run_config={"experiment": "leavers", "name": "by-hand"},
    ...     problem="binary_classification",
    ...     inputs={"KIND": "sample", "rows": 500, "missing": [" "]},
    ...     targets={"KIND": "sample", "rows": 500, "missing": [" "]},
    ...     target="Churn",
    ...     positive="Yes",
    ...     exclude=["customerID", "Churn"],
    ...     model={"KIND": "sklearn", "estimator": "sklearn.linear_model.LogisticRegression"},
    ... )
    >>> job.splitter.KIND
    'random'
    """

    KIND: Literal["training"] = "training"
    inputs: AnySource
    """The raw inputs; declared `types` are the schema they must have."""
    targets: AnySource
    """The same rows in the same order, with the target."""
    splitter: AnyJobSplit = RandomSplit()

    def run(self) -> TrainingResult:
        """Read the sources and do the whole job in one MLflow run; raises as `run_on` does."""
        return self.run_on(self._rows())

    @contextlib.contextmanager
    def _rows(self) -> Iterator[SplitRows]:
        with local_copy(self.targets, [self.target]) as (rows, targets_from):
            targets = targets_in(rows, self.target)
        with local_copy(self.inputs, filter(None, [*self.exclude, self.id])) as (inputs, inputs_from):
            parts = self._parts(inputs, targets)
            yield SplitRows(TrainingTable(inputs, targets, parts), inputs_from, targets_from)

    def _parts(self, inputs: pl.LazyFrame, targets: pl.Series) -> pl.Series:
        import polars as pl

        height = inputs.select(pl.len()).collect().item()
        if height != len(targets):
            raise DataValidationError(f"inputs have {height} rows and targets {len(targets)}; they must match")
        logger.info("inputs %s, targets %s", (height, len(inputs.collect_schema())), targets.shape)
        return parts_of(self.splitter, inputs, problem_of(self.problem).labels(targets), self.id)


def load_job(document: dict[str, Any], name: str) -> TrainingJob:
    """A job from its YAML document; raises ConfigurationError with one line per mistake."""
    if document.get("KIND", "training") != "training":
        raise ConfigurationError(f"{name}: KIND: only 'training' is a kind of job, not {document['KIND']!r}")
    return validate(TrainingJob, document, name)
